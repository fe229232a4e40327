import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { between } from "./between.ts";
import { type ChartValue, readValues, type Section } from "./chart-values.ts";

const BEGIN = "<!-- values: generated from values.yaml by `npm run generate` -->";
const END = "<!-- end of values -->";

/** The chart's README.md: replaces the tables of values, and keeps the text that a person wrote. */
export async function chartReadme(root: string): Promise<[string, string][]> {
  const path = "charts/sms-channel-operator/README.md";
  const page = await readFile(join(root, path), "utf8");
  const tables = readValues(join(root, "charts/sms-channel-operator")).map(tableOf).join("\n\n");
  return [[path, between(page, { begin: BEGIN, end: END }, tables, path)]];
}

function tableOf({ title, values }: Section): string {
  return [
    `### ${title}`,
    "",
    "| value | default | meaning |",
    "| --- | --- | --- |",
    ...values.map(rowOf),
  ].join("\n");
}

function rowOf({ path, description, default: value }: ChartValue): string {
  return `| \`${path.join(".")}\` | \`${JSON.stringify(value).replaceAll("|", "\\|")}\` | ${description.replaceAll("|", "\\|")} |`;
}
