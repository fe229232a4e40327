import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** A value that a user may set, with its description and its default. */
export interface ChartValue {
  /** The names of the keys that lead to the value: `receiver.service.port`. */
  path: string[];
  description: string;
  default: unknown;
}

export interface Section {
  title: string;
  values: ChartValue[];
}

/**
 * Reads a chart's values.yaml. A comment directly above a key describes the key, and `## ` begins a section. A map without a comment is a
 * group of values; a map with a comment is a single value. Any other key without a comment is an error, so that every value is explained.
 */
export function readValues(chart: string): Section[] {
  const text = readFileSync(join(chart, "values.yaml"), "utf8");
  return sectionsOf(text, parse(text) as Record<string, unknown>);
}

function sectionsOf(text: string, defaults: Record<string, unknown>): Section[] {
  const sections: Section[] = [];
  const groups: { indent: number; key: string }[] = [];
  let comment: string[] = [];
  /** The indentation of the map that is read as a single value. Keys inside the map are not values themselves. */
  let within = Number.POSITIVE_INFINITY;
  for (const line of text.split("\n")) {
    const indent = line.search(/\S/);
    if (indent > within) continue;
    const heading = /^## (.+)$/.exec(line);
    const note = /^ *# ?(.*)$/.exec(line);
    const key = /^ *([A-Za-z0-9_-]+):( .*)?$/.exec(line)?.[1];
    if (heading !== null) sections.push({ title: heading[1]!, values: [] });
    else if (note !== null) comment.push(note[1]!);
    else if (key === undefined) comment = [];
    else {
      within = Number.POSITIVE_INFINITY;
      while (groups.length > 0 && groups.at(-1)!.indent >= indent) groups.pop();
      const path = [...groups.map((group) => group.key), key];
      const value = path.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], defaults);
      if (comment.length > 0) {
        const section = sections.at(-1);
        if (section === undefined)
          throw new Error(
            `values.yaml: ${path.join(".")} must be in a section, but no section begins before it`,
          );
        section.values.push({ path, description: comment.join(" "), default: value });
        within = indent;
      } else if (isGroup(value)) groups.push({ indent, key });
      else throw new Error(`values.yaml: ${path.join(".")} has no comment`);
      comment = [];
    }
  }
  return sections;
}

const isGroup = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
