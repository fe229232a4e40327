import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Parsed, parseSources } from "./source.ts";

/**
 * Reads files, folders (all .yaml, .yml and .json files below them) and `-`, which is standard input. Throws when a path does not exist.
 */
export async function readSources(paths: readonly string[]): Promise<Parsed[]> {
  const files = (await Promise.all(paths.map(filesOf))).flat();
  return await Promise.all(
    files.map(async (file) =>
      file === "-"
        ? parseSources("(stdin)", await text(process.stdin))
        : parseSources(file, await readFile(file, "utf8")),
    ),
  );
}

/** The files of one path. A folder without manifests is an error, because its name is probably wrong. */
async function filesOf(path: string): Promise<string[]> {
  if (path === "-" || !(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && /\.(ya?ml|json)$/.test(entry.name));
  if (files.length === 0) throw new Error(`${path}: there is no .yaml, .yml or .json file in this folder`);
  // The files are sorted, so that the order of findings does not depend on the file system.
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}
