import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { argocdFiles } from "./generate/argocd.ts";
import { chartCrds } from "./generate/chart-crds.ts";
import { chartKeys } from "./generate/chart-keys.ts";
import { chartReadme } from "./generate/chart-readme.ts";
import { chartSchema } from "./generate/chart-schema.ts";
import { kindPages } from "./generate/kind-pages.ts";
import { plainManifests } from "./generate/plain-manifests.ts";
import { reasonsPage } from "./generate/reasons-page.ts";
import { rulesPage } from "./generate/rules-page.ts";
import { kindTypes } from "./generate/types.ts";

// `npm run generate` writes the files that are made from other files: types and reference pages from crds/ and src/; the charts' copies of
// the CRDs; keys, schema and tables of the chart from values.yaml; Argo CD's settings from deploy/argocd/health.lua. With --check it writes
// nothing, and exits with 1 when a file is not up to date.

const root = resolve(import.meta.dirname, "..");
const check = process.argv.includes("--check");

const stale: string[] = [];
let count = 0;

await put([
  ...(await kindTypes(root)),
  ...(await kindPages(root)),
  ...reasonsPage(),
  ...rulesPage(),
  ...chartCrds(root),
  ...chartKeys(root),
  ...chartSchema(root),
  ...(await chartReadme(root)),
  ...(await argocdFiles(root)),
]);
// The plain manifests are written last, because they are rendered from the chart, and some of the chart's templates are generated files
// too.
await put(await plainManifests(root, { check }));

/** Writes the files that differ. Each file is its path from the repository's root and its whole text. */
async function put(files: [string, string][]) {
  for (const [path, text] of files) {
    count++;
    const file = join(root, path);
    const before = await readFile(file, "utf8").catch(() => undefined);
    if (before === text) continue;
    stale.push(relative(root, file));
    if (check) continue;
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

if (stale.length === 0) console.log(`${count} generated files are up to date`);
else if (!check) console.log(`written: ${stale.join(", ")}`);
else {
  console.error(
    `these files are not up to date: ${stale.join(", ")}\nRun npm run generate and commit the result.`,
  );
  process.exitCode = 1;
}
