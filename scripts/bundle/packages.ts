import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Inputs, root } from "./program.ts";

export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** The package's folder, relative to the repository's root: `node_modules/pg`, `node_modules/a/node_modules/b`. */
  readonly folder: string;
  /** How many bytes of the bundle come from this package. */
  readonly bytes: number;
}

/** The npm packages whose code is in the bundle, sorted by name and version. A package that was dropped as unused is not listed. */
export function packagesOf(inputs: Inputs): BundledPackage[] {
  const bytesOf = new Map<string, number>();
  for (const [path, bytes] of inputs) {
    const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
    if (folder !== undefined) bytesOf.set(folder, (bytesOf.get(folder) ?? 0) + bytes);
  }
  const packages = [...bytesOf].map(([folder, bytes]) => ({ ...manifestIn(folder), folder, bytes }));
  return packages.sort((a, b) => compare(a.name, b.name) || compare(a.version, b.version));
}

function manifestIn(folder: string): { name: string; version: string } {
  const text = readFileSync(join(root, folder, "package.json"), "utf8");
  const { name, version } = JSON.parse(text) as { name: string; version: string };
  return { name, version };
}

/** Compares two names by code units. The order of localeCompare depends on the machine, but the same sources must give the same bytes. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
