import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { KubeClient } from "../src/kube/client/client.ts";
import {
  customResourceDefinitions,
  type KubeObject,
  namespaces,
  type ResourceType,
  secrets,
} from "../src/kube/resource.ts";

interface Definition extends KubeObject {
  spec: {
    group: string;
    names: { kind: string; plural: string };
    versions: { name: string }[];
  };
}

/** All objects in a folder's YAML files, in the order of the file names. */
export function readManifests(folder: string): KubeObject[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), "utf8")))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

/** Puts objects without a namespace into `default`, as kubectl does. */
export function inDefaultNamespace(kinds: Kinds, objects: KubeObject[]): KubeObject[] {
  return objects.map((object) =>
    kinds.of(object.kind).namespaced
      ? { ...object, metadata: { ...object.metadata, namespace: object.metadata.namespace ?? "default" } }
      : object,
  );
}

/**
 * The kinds that the demo's manifests may use: the kinds that the CRDs in `crds` define, and the few built-in kinds that the examples need.
 */
export class Kinds {
  readonly #types = new Map<string, ResourceType>();

  constructor(crds: KubeObject[]) {
    for (const type of [namespaces, secrets, customResourceDefinitions]) this.#types.set(type.kind, type);
    for (const { spec } of crds as Definition[]) {
      const { kind, plural } = spec.names;
      const version = spec.versions[0]?.name ?? "v1";
      this.#types.set(kind, { group: spec.group, version, plural, kind, namespaced: true });
    }
  }

  of(kind: string): ResourceType {
    const type = this.#types.get(kind);
    if (type === undefined)
      throw new Error(`the manifests contain an object of kind ${kind}, which this demo does not know`);
    return type;
  }
}

/** Objects that other objects refer to are applied first, so that the first reconcile of each object finds what it refers to. */
const FIRST = ["Namespace", "CustomResourceDefinition", "Secret", "OperatingHours", "WorkStream"];
const rank = ({ kind }: KubeObject) => (FIRST.includes(kind) ? FIRST.indexOf(kind) : FIRST.length);

export interface Applied {
  readonly type: ResourceType;
  readonly object: KubeObject;
  /** The line that kubectl would print after it applied the object: `workstream.smschannel.dev/support created`. */
  readonly line: string;
}

/** Does what `kubectl apply --server-side -f` does, and reports for each object whether it was created, configured or unchanged. */
export async function applyManifests(
  client: KubeClient,
  kinds: Kinds,
  objects: KubeObject[],
  signal: AbortSignal,
): Promise<Applied[]> {
  const applied: Applied[] = [];
  for (const object of objects.toSorted((a, b) => rank(a) - rank(b))) {
    const type = kinds.of(object.kind);
    const before = await client.get(type, object.metadata, signal);
    const options = { fieldManager: "kubectl", force: true };
    const after = await client.apply(type, object, options, signal);
    const same = before?.metadata.resourceVersion === after.metadata.resourceVersion;
    const verb = before === undefined ? "created" : same ? "unchanged" : "configured";
    applied.push({ type, object: after, line: `${nameOf(type, object)} ${verb}` });
  }
  return applied;
}

/** The object's name as kubectl prints it: `smsnumber.smschannel.dev/support`, `secret/twilio`. */
export function nameOf({ kind, group }: ResourceType, { metadata }: KubeObject): string {
  return `${kind.toLowerCase()}${group === "" ? "" : `.${group}`}/${metadata.name}`;
}
