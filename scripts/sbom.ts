// `npm run sbom` writes dist/sbom.cdx.json, a CycloneDX list of the packages whose code is in the image. It is npm's list of the packages
// in the lock file, without the packages that have no code in the bundle. The same lock file and sources give the same bytes.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { packagesOf } from "./bundle/packages.ts";
import { bundleProgram, root } from "./bundle/program.ts";

interface Component {
  "bom-ref": string;
  name: string;
}
interface Bom {
  serialNumber?: string;
  metadata: { timestamp?: string; component: Component & { type: string } };
  components: Component[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

const inBundle = new Set(packagesOf(await bundleProgram()).map(({ name, version }) => `${name}@${version}`));
// The option --omit=dev is not used, because it also leaves out production packages that a development package depends on.
const args = ["sbom", "--package-lock-only", "--sbom-format=cyclonedx"];
const all = JSON.parse(execFileSync("npm", args, { cwd: root, encoding: "utf8", maxBuffer: 1e8 })) as Bom;
const bom = onlyBundled(all);
const missing = [...inBundle].filter((ref) => !bom.components.some((one) => one["bom-ref"] === ref));
if (missing.length > 0) throw new Error(`in the bundle, but unknown to npm sbom: ${missing.join(", ")}`);

const folder = join(root, "dist");
await mkdir(folder, { recursive: true });
await writeFile(join(folder, "sbom.cdx.json"), `${JSON.stringify(bom, null, 2)}\n`);
console.log(
  `dist/sbom.cdx.json: ${bom.components.length} of ${all.components.length} packages are in the bundle`,
);

function onlyBundled(whole: Bom): Bom {
  const self = whole.metadata.component["bom-ref"];
  const kept = (ref: string) => ref === self || inBundle.has(ref);
  const { timestamp: _, ...metadata } = whole.metadata;
  // npm names the project after its folder, and always gives it the type library. Both are corrected here.
  const component = {
    ...metadata.component,
    name: self.slice(0, self.lastIndexOf("@")),
    type: "application",
  };
  const bom: Bom = {
    ...whole,
    metadata: { ...metadata, component },
    components: whole.components.filter((one) => kept(one["bom-ref"])),
    dependencies: whole.dependencies
      .filter(({ ref }) => kept(ref))
      .map((one) => ({ ...one, dependsOn: (one.dependsOn ?? []).filter(kept) })),
  };
  delete bom.serialNumber;
  return { ...bom, serialNumber: serialOf(bom) };
}

/** A UUID made from the content. npm uses a random UUID, which would differ from build to build. */
function serialOf(bom: Bom): string {
  const hash = createHash("sha256").update(JSON.stringify(bom)).digest("hex");
  return `urn:uuid:${[hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `8${hash.slice(17, 20)}`, hash.slice(20, 32)].join("-")}`;
}
