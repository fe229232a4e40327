import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { reasons } from "../../src/api/reasons.ts";

const root = resolve(import.meta.dirname, "../..");
const text = (path: string) => readFileSync(join(root, path), "utf8");

/** The pages for people: those in docs/, those in the charts, and those in the folder of README.md. */
const pages = ["docs", "charts", "."]
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: folder !== ".", withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  )
  .sort();

/** The anchors of a page's headings, in the form in which GitHub makes them. */
const anchorsOf = (page: string) =>
  [...text(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

test.each(pages)("every link in %s leads to a file and a heading that exist", (page) => {
  const broken = [...text(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : relative(root, resolve(root, dirname(page), path));
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
  expect(broken).toEqual([]);
});

test("the page on troubleshooting explains every reason of a condition", () => {
  const page = text("docs/install/troubleshooting.md");
  expect(Object.keys(reasons).filter((reason) => !page.includes(`\`${reason}\``))).toEqual([]);
});

describe("every file that a comment or a page names exists", () => {
  const folders = [
    "bench",
    "bin",
    "charts",
    "crds",
    "demo",
    "deploy",
    "docs",
    "examples",
    "scripts",
    "src",
    "test",
  ];
  const files = [".", ...folders].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: folder !== ".", withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  );
  const written = files.filter((path) =>
    /\.(ts|mjs|ya?ml|tpl|md|sql|go|lua|sh|txt)$|^Dockerfile$/.test(path),
  );
  const named = new RegExp(
    `(?<![\\w./@-])(?:${folders.join("|")})/[\\w./-]*\\w\\.(?:ts|mjs|ya?ml|md|sql|go|lua|sh)\\b`,
    "g",
  );
  // Some files are named by a path that starts in a deeper folder, such as `examples/root.yaml` in deploy/argocd.
  const isThere = (name: string) => files.some((path) => path === name || path.endsWith(`/${name}`));

  test("in every page, source and template", () => {
    const missing = written.flatMap((path) =>
      [...text(path).matchAll(named)].filter(([name]) => !isThere(name)).map(([name]) => `${path}: ${name}`),
    );
    expect(missing).toEqual([]);
    expect(written.length).toBeGreaterThan(300);
  });
});
