import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Crd, readCrds, type Schema } from "../../src/api/crds.ts";
import { between } from "./between.ts";

const BEGIN = "<!-- fields: generated from crds/ by `npm run generate` -->";
const END = "<!-- end of fields -->";

/** The pages `docs/crds/<kind>.md`: replaces the tables between the marks, and keeps the text that a person wrote. */
export async function kindPages(root: string): Promise<[string, string][]> {
  return await Promise.all(
    readCrds(join(root, "crds")).map(async (crd): Promise<[string, string]> => {
      const path = `docs/crds/${crd.kind.toLowerCase()}.md`;
      const page = await withExamples(root, await readFile(join(root, path), "utf8"));
      return [path, between(page, { begin: BEGIN, end: END }, tables(crd), path)];
    }),
  );
}

/**
 * Puts the current examples into a page. They come from examples/, which the tests apply, so that a page cannot show an example that no
 * longer works.
 */
async function withExamples(root: string, page: string): Promise<string> {
  let text = page;
  for (const [whole, file] of page.matchAll(/<!-- example: (\S+) -->\n.*?<!-- end of example -->/gs)) {
    const example = (await readFile(join(root, "examples", file!), "utf8")).trimEnd();
    const made = `<!-- example: ${file} -->\n\`\`\`yaml\n${example}\n\`\`\`\n<!-- end of example -->`;
    text = text.replace(whole, () => made);
  }
  return text;
}

function tables({ schema }: Crd): string {
  const { spec, status } = schema.properties ?? {};
  return [...table("spec", spec), "", ...table("status", status)].join("\n");
}

function table(name: string, schema: Schema | undefined): string[] {
  if (schema === undefined) throw new Error(`there is no ${name}`);
  const rows = rowsOf(schema, name).map(
    ({ path, child }) => `| \`${path}\` | ${typeOf(child)} | ${text(child)} |`,
  );
  return [
    `## ${name}`,
    "",
    schema.description ?? "",
    "",
    "| field | type | meaning |",
    "| --- | --- | --- |",
    ...rows,
  ];
}

function rowsOf(schema: Schema, prefix: string): { path: string; child: Schema }[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const path = `${prefix}.${name}`;
    const deeper = child.items === undefined ? rowsOf(child, path) : rowsOf(child.items, `${path}[]`);
    return [{ path, child }, ...deeper];
  });
}

function typeOf({ type, items, enum: values, format }: Schema): string {
  if (items !== undefined) return `list of ${items.type === "object" ? "objects" : typeOf(items)}`;
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(", ");
  return format === "date" || format === "date-time" ? format : String(type);
}

/** The text for a cell of a Markdown table, which must not contain an unescaped bar or a line break. */
function text({ description = "" }: Schema): string {
  return description.replaceAll("|", "\\|").replaceAll("\n", " ");
}
