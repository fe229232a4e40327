import { join } from "node:path";
import { compile, type JSONSchema } from "json-schema-to-typescript";
import { type Crd, readCrds, type Schema } from "../../src/api/crds.ts";

/** The fields that have the same list in several kinds, each with the name of the TypeScript type of the list's items. */
const SHARED: Record<string, string> = { conditions: "Condition", automatedMessages: "AutomatedMessage" };
const options = { additionalProperties: false, style: { printWidth: 110 } };

/**
 * The TypeScript types of the custom resources. `src/api/<kind>.gen.ts` has the types of a kind's spec and status, `shared.gen.ts` the
 * types that several kinds share.
 */
export async function kindTypes(root: string): Promise<[string, string][]> {
  const crds = readCrds(join(root, "crds"));
  return [await sharedTypes(crds), ...(await Promise.all(crds.map(typesOf)))];
}

async function sharedTypes(crds: readonly Crd[]): Promise<[string, string]> {
  const bannerComment = "// Generated from crds/ by `npm run generate`. Do not edit.";
  const parts = Object.entries(SHARED).map(([field, name], at) =>
    compile(sharedItem(crds, field), name, { ...options, bannerComment: at === 0 ? bannerComment : "" }),
  );
  return ["src/api/shared.gen.ts", (await Promise.all(parts)).join("\n")];
}

function sharedItem(crds: readonly Crd[], field: string): JSONSchema {
  const lists = crds.flatMap(({ schema: { properties: { spec, status } = {} } }) =>
    [spec, status].flatMap((part) => part?.properties?.[field] ?? []),
  );
  const [first, ...others] = lists.map(({ items }) => JSON.stringify(items));
  if (first === undefined || others.some((other) => other !== first))
    throw new Error(`items of ${field} must be there, and the same in every kind`);
  return { ...plain(JSON.parse(first)), additionalProperties: false };
}

async function typesOf({ kind, plural, schema }: Crd): Promise<[string, string]> {
  const { spec, status } = schema.properties ?? {};
  if (spec === undefined || status === undefined) throw new Error(`${plural}: spec and status are needed`);
  const parts = [
    await compile(plain(spec), `${kind}Spec`, { ...options, bannerComment: "" }),
    await compile(plain(status), `${kind}Status`, { ...options, bannerComment: "" }),
  ];
  const body = parts.join("\n");
  const used = Object.values(SHARED).filter((name) => body.includes(`${name}[]`));
  const header = [
    `// Generated from crds/${plural}.yaml by \`npm run generate\`. Do not edit.`,
    ...(used.length === 0 ? [] : [`import type { ${used.sort().join(", ")} } from "./shared.gen.ts";`]),
  ];
  return [`src/api/${kind.toLowerCase()}.gen.ts`, `${header.join("\n")}\n\n${body}`];
}

/**
 * Reduces a CRD's schema to what a TypeScript type can express. A list's minimal length is dropped, because the generator would make a
 * tuple type of it.
 */
function plain(schema: Schema): JSONSchema {
  const { type, description, properties, items, required, enum: values } = schema;
  return {
    ...(type === undefined ? {} : { type }),
    ...(description === undefined ? {} : { description }),
    ...(values === undefined ? {} : { enum: values as string[] }),
    ...(required === undefined ? {} : { required }),
    ...(items === undefined ? {} : { items: plain(items) }),
    ...(properties === undefined ? {} : { properties: fieldsOf(properties) }),
    ...(type === "object" ? { additionalProperties: false } : {}),
  };
}

const fieldsOf = (properties: Record<string, Schema>) =>
  Object.fromEntries(
    Object.entries(properties).map(([name, child]) => {
      const item = SHARED[name];
      return [name, item === undefined ? plain(child) : { ...plain(child), tsType: `${item}[]` }];
    }),
  );
