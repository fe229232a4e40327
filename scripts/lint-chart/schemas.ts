import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

type ManifestSchema = Record<string, unknown>;

/**
 * The pattern for kubeconform's -schema-location that finds schemas in `folder`. Core kinds have no group, and kubeconform takes the
 * version in place of the group.
 */
export const locationIn = (folder: string) =>
  join(folder, "{{ .Group }}", "{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json");

/** Writes the schemas of the built-in kinds, from the OpenAPI document of a Kubernetes release. */
export async function builtInSchemas(swagger: string, folder: string): Promise<void> {
  const { definitions } = JSON.parse(await readFile(swagger, "utf8")) as {
    definitions: Record<string, ManifestSchema>;
  };
  const strict = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, strictly(special[name] ?? definition)]),
  );
  for (const [name, definition] of Object.entries(definitions)) {
    const kinds = (definition["x-kubernetes-group-version-kind"] ?? []) as GroupVersionKind[];
    // Definitions that belong to several groups, such as DeleteOptions, are not kinds of manifests, so no schema is written for them.
    const [kind] = kinds;
    if (kind === undefined || kinds.length > 1) continue;
    await put(folder, kind, { $ref: `#/definitions/${name}`, definitions: closure(name, strict) });
  }
}

/** Writes the schemas of custom kinds, from their CustomResourceDefinitions. */
export async function customSchemas(crds: string, folder: string): Promise<void> {
  for (const name of (await readdir(crds)).filter((each) => each.endsWith(".yaml"))) {
    for (const document of parseAllDocuments(await readFile(join(crds, name), "utf8")))
      await customSchema(document.toJS(), folder);
  }
}

async function customSchema(crd: CrdManifest | null, folder: string): Promise<void> {
  if (crd?.kind !== "CustomResourceDefinition") return;
  const { group, names, versions } = crd.spec;
  for (const { name: version, schema } of versions) {
    const whole = strictly(schema.openAPIV3Schema);
    const properties = { ...(whole.properties as ManifestSchema), metadata: { type: "object" } };
    await put(folder, { group, version, kind: names.kind }, { ...whole, properties });
  }
}

interface CrdManifest {
  kind: string;
  spec: {
    group: string;
    names: { kind: string };
    versions: { name: string; schema: { openAPIV3Schema: ManifestSchema } }[];
  };
}

interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

async function put(folder: string, { group, version, kind }: GroupVersionKind, schema: ManifestSchema) {
  const at = join(folder, group === "" ? version : group);
  await mkdir(at, { recursive: true });
  await writeFile(join(at, `${kind.toLowerCase()}_${version}.json`), JSON.stringify(schema));
}

/** The schemas of types that the OpenAPI document describes only in prose. */
const special: Record<string, ManifestSchema> = {
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": { type: ["integer", "string"] },
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: ["number", "string"] },
};

/** Returns a schema that also refuses every field that is not declared, because the API server would drop or refuse such a field. */
function strictly(schema: ManifestSchema): ManifestSchema {
  const { format: _, ...rest } = schema;
  const strict: ManifestSchema = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, inner(key, value)]),
  );
  if (rest["x-kubernetes-int-or-string"] === true) return { type: ["integer", "string"] };
  const open =
    rest["x-kubernetes-preserve-unknown-fields"] === true || rest.additionalProperties !== undefined;
  return rest.properties === undefined || open ? strict : { ...strict, additionalProperties: false };
}

function inner(key: string, value: unknown): unknown {
  if (key === "properties" || key === "patternProperties")
    return Object.fromEntries(
      Object.entries(value as Record<string, ManifestSchema>).map(([name, child]) => [name, strictly(child)]),
    );
  if (key === "items" || key === "additionalProperties")
    return typeof value === "object" ? strictly(value as ManifestSchema) : value;
  // The parts of `allOf` and similar keywords describe an object only together. Forbidding unknown fields in one part would refuse the
  // fields of the other parts.
  return value;
}

/** The definition together with all definitions that it refers to. */
function closure(
  name: string,
  all: Record<string, ManifestSchema>,
  found: Record<string, ManifestSchema> = {},
) {
  if (found[name] !== undefined) return found;
  const definition = all[name];
  if (definition === undefined) throw new Error(`there is no definition ${name}`);
  found[name] = definition;
  for (const [, next] of JSON.stringify(definition).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g))
    closure(next!, all, found);
  return found;
}
