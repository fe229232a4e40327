import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { kindPages } from "./generate/kind-pages.ts";
import { reasonsPage } from "./generate/reasons-page.ts";
import { rulesPage } from "./generate/rules-page.ts";
import { kindTypes } from "./generate/types.ts";

// Writes what is made from crds/, src/api/reasons.ts and src/rules/facts.ts: types, reference pages. With --check nothing is written, and the
// exit code is 1 when a file is not as it would be made.

const root = resolve(import.meta.dirname, "..");
const check = process.argv.includes("--check");

/** A file's path from the project's root → its whole text. */
export type Files = Map<string, string>;

const files: Files = new Map([
  ...(await kindTypes(root)),
  ...(await kindPages(root)),
  ...reasonsPage(),
  ...rulesPage(),
]);
const stale: string[] = [];
for (const [path, text] of files) {
  const file = join(root, path);
  const before = await readFile(file, "utf8").catch(() => undefined);
  if (before === text) continue;
  stale.push(relative(root, file));
  if (check) continue;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

if (stale.length === 0) console.log(`${files.size} generated files are up to date`);
else if (!check) console.log(`written: ${stale.join(", ")}`);
else {
  console.error(`not as generated: ${stale.join(", ")}\nRun npm run generate and commit the result.`);
  process.exitCode = 1;
}
