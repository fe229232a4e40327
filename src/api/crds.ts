import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { assetFolder } from "../assets.ts";

/** An OpenAPI v3 schema as a CustomResourceDefinition holds it. */
export interface Schema {
  type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  description?: string;
  format?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  required?: string[];
  default?: unknown;
  enum?: unknown[];
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-validations"?: Rule[];
}

/** A validation rule in CEL, as a CRD holds it. */
export interface Rule {
  rule: string;
  message?: string;
  messageExpression?: string;
  fieldPath?: string;
}

export interface Crd {
  group: string;
  version: string;
  kind: string;
  plural: string;
  schema: Schema;
}

interface CrdFile {
  spec: {
    group: string;
    names: { kind: string; plural: string };
    versions: { name: string; storage: boolean; schema: { openAPIV3Schema: Schema } }[];
  };
}

/** The kinds that `crds/` declares, in the order of their file names. */
export function readCrds(folder = assetFolder("crds")): Crd[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  return names.sort().map((name) => toCrd(parse(readFileSync(join(folder, name), "utf8")) as CrdFile));
}

function toCrd({ spec }: CrdFile): Crd {
  const version = spec.versions.find(({ storage }) => storage);
  if (version === undefined) throw new Error(`${spec.names.plural} has no storage version`);
  const { kind, plural } = spec.names;
  return { group: spec.group, version: version.name, kind, plural, schema: version.schema.openAPIV3Schema };
}
