import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { reasons } from "../../src/api/reasons.ts";

const root = resolve(import.meta.dirname, "../..");
const text = (path: string) => readFileSync(join(root, path), "utf8");

/** Pages for people: those of docs/, of the charts, and those beside README.md. */
const pages = ["docs", "charts", "."]
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: folder !== ".", withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  )
  .sort();

/** As GitHub makes anchors of headings. */
const anchorsOf = (page: string) =>
  [...text(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

test.each(pages)("links in %s lead somewhere", (page) => {
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

test("troubleshooting has every reason", () => {
  const page = text("docs/install/troubleshooting.md");
  expect(Object.keys(reasons).filter((reason) => !page.includes(`\`${reason}\``))).toEqual([]);
});

describe("files that comments and pages name are there", () => {
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
  // Some are named from a folder in between, such as `examples/root.yaml` in deploy/argocd.
  const isThere = (name: string) => files.some((path) => path === name || path.endsWith(`/${name}`));

  test("in all of them", () => {
    const missing = written.flatMap((path) =>
      [...text(path).matchAll(named)].filter(([name]) => !isThere(name)).map(([name]) => `${path}: ${name}`),
    );
    expect(missing).toEqual([]);
    expect(written.length).toBeGreaterThan(300);
  });
});
