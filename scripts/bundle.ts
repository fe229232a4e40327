// `npm run bundle` writes to dist/ what an image contains in addition to Node 24: smschannel.mjs and its parts, the files that it reads at
// run time, and the licences of the bundled packages.
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { licensesText } from "./bundle/licenses.ts";
import { packagesOf } from "./bundle/packages.ts";
import { bundleProgram, root } from "./bundle/program.ts";

const folder = join(root, "dist");
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
const inputs = await bundleProgram(folder);
const packages = packagesOf(inputs);
await writeFile(join(folder, "licenses.txt"), licensesText(packages));

const files = (await readdir(folder)).filter((file) => file.endsWith(".mjs"));
const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
console.log(`dist/smschannel.mjs: ${files.length} files, ${mib(sizes.reduce((sum, size) => sum + size, 0))}`);
console.log(`of ${packages.length} packages; the largest:`);
for (const { name, version, bytes } of packages.toSorted((a, b) => b.bytes - a.bytes).slice(0, 5))
  console.log(`  ${mib(bytes).padStart(8)}  ${name} ${version}`);
