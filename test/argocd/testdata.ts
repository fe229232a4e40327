import { readFile, writeFile } from "node:fs/promises";
import { parse, stringify } from "yaml";
import type { KubeObject } from "../../src/kube/resource.ts";
import { folderOf } from "./health.ts";

/** A live object in the form in which `testdata/` has it: only the parts that differ from run to run are replaced. */
export function recorded(live: KubeObject, replace: Record<string, string>): object {
  const { managedFields: _, ...metadata } = live.metadata as KubeObject["metadata"] & {
    managedFields?: unknown;
  };
  let text = JSON.stringify({ ...live, metadata });
  for (const [from, to] of Object.entries(replace)) text = text.replaceAll(from, to);
  text = text
    .replace(/"uid":"[^"]*"/g, '"uid":"5e0d3c4a-8f1b-4c57-9d0e-2f6b7a1c9e34"')
    .replace(/"(secretR|r)esourceVersion":"[^"]*"/g, '"$1esourceVersion":"4711"')
    .replace(/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "2026-01-05T09:30:00Z");
  return JSON.parse(text);
}

export const testdataPath = (kind: string, path: string) => `${folderOf(kind)}/${path}`;

export async function readTestdata(kind: string, path: string): Promise<object> {
  return parse(await readFile(testdataPath(kind, path), "utf8"));
}

/**
 * Writes an object as `kubectl get -o yaml` prints it: with sorted keys, and in YAML 1.1, which Go reads. In YAML 1.1 the text 24:00 needs
 * quotes, because without quotes it is a number.
 */
export async function writeTestdata(kind: string, path: string, object: object): Promise<void> {
  await writeFile(
    testdataPath(kind, path),
    stringify(object, { version: "1.1", sortMapEntries: true, lineWidth: 0 }),
  );
}
