import { join } from "node:path";
import { compile, type JSONSchema } from "json-schema-to-typescript";
import { type Crd, readCrds, type Schema } from "../../src/api/crds.ts";

/** `src/api/<kind>.gen.ts`: the types of a kind's spec and status. */
export async function kindTypes(root: string): Promise<[string, string][]> {
  return await Promise.all(readCrds(join(root, "crds")).map((crd) => typesOf(crd)));
}

async function typesOf({ kind, plural, schema }: Crd): Promise<[string, string]> {
  const { spec, status } = schema.properties ?? {};
  if (spec === undefined || status === undefined) throw new Error(`${plural}: spec and status are needed`);
  const bannerComment = `// Generated from crds/${plural}.yaml by \`npm run generate\`. Do not edit.`;
  const options = { additionalProperties: false, style: { printWidth: 110 } };
  const parts = [
    await compile(plain(spec), `${kind}Spec`, { ...options, bannerComment }),
    await compile(plain(status), `${kind}Status`, { ...options, bannerComment: "" }),
  ];
  return [`src/api/${kind.toLowerCase()}.gen.ts`, parts.join("\n")];
}

/** Only what a type can say: a minimal length of a list would become a tuple that nobody can build. */
function plain(schema: Schema): JSONSchema {
  const { type, description, properties, items, required, enum: values } = schema;
  return {
    ...(type === undefined ? {} : { type }),
    ...(description === undefined ? {} : { description }),
    ...(values === undefined ? {} : { enum: values as string[] }),
    ...(required === undefined ? {} : { required }),
    ...(items === undefined ? {} : { items: plain(items) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, child]) => [name, plain(child)]),
          ),
        }),
    ...(type === "object" ? { additionalProperties: false } : {}),
  };
}
