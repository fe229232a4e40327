import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from "yaml";
import type { FieldPath } from "./finding.ts";

/** One object in a file, with the places of its fields. */
export interface Source {
  file: string;
  /** The position of the YAML document in the file, counted from 1. All items of a List have the position of the List. */
  document: number;
  object: unknown;
  /** The line of a field. When the field is missing, the line of the nearest field around it. */
  lineOf(path: FieldPath): number;
  /** A scalar as it was typed, without quotes: `014`, which YAML 1.1 reads as 12. Undefined when the field is not in the file. */
  typed(path: FieldPath): string | undefined;
}

/** A part of a file that is not valid YAML. */
export interface SyntaxProblem {
  file: string;
  document: number;
  line: number;
  message: string;
}

/** The objects of one file, and the places in it that could not be read. */
export interface Parsed {
  file: string;
  sources: Source[];
  problems: SyntaxProblem[];
}

/**
 * Reads YAML or JSON as kubectl does. kubectl's parser follows YAML 1.1 (`no` is false, `010` is 8), but leaves dates and times of day as
 * strings. The validator must do the same. Otherwise it would accept files that the API server refuses.
 */
export function parseSources(file: string, text: string): Parsed {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: "1.1",
    // kubectl's parser supports YAML's merge keys (`<<`).
    merge: true,
    lineCounter: lines,
    // Pretty errors repeat the source and the position, but the report shows the position itself.
    prettyErrors: false,
    customTags: (tags) => tags.filter((tag) => typeof tag === "string" || !isTime(tag)),
  });
  const parsed: Parsed = { file, sources: [], problems: [] };
  // The array is copied, because for an empty text the library returns an empty array with an additional type.
  for (const [index, document] of [...documents].entries())
    read(parsed, { where: { file, document: index + 1 }, document, lines, text });
  return parsed;
}

const isTime = (tag: { tag: string; format?: string | undefined }) =>
  tag.format === "TIME" || tag.tag === "tag:yaml.org,2002:timestamp";

/** One document of a file, with the data that is needed to find its lines. */
interface YamlDocument {
  where: { file: string; document: number };
  document: Document;
  lines: LineCounter;
  /** The text of the whole file. */
  text: string;
}

/** Reads one document into `parsed`. A document that cannot be read does not keep the other documents from being checked. */
function read(parsed: Parsed, yaml: YamlDocument) {
  const { where, document, lines } = yaml;
  if (isTemplate(yaml)) {
    parsed.problems.push({ ...where, line: lines.linePos(document.range?.[0] ?? 0).line, message: TEMPLATE });
    return;
  }
  if (document.errors.length > 0) {
    parsed.problems.push(
      ...document.errors.map(({ message, pos }) => ({ ...where, line: lines.linePos(pos[0]).line, message })),
    );
    return;
  }
  let object: unknown;
  try {
    object = document.toJS();
  } catch (error) {
    // Aliases are resolved only here. This fails when an alias has no anchor, or when there are so many aliases that they would fill the
    // memory.
    parsed.problems.push({
      ...where,
      line: lines.linePos(document.range?.[0] ?? 0).line,
      message: (error as Error).message,
    });
    return;
  }
  if (object === null || object === undefined) return;
  for (const [prefix, item] of itemsOf(object)) parsed.sources.push(sourceOf(yaml, prefix, item));
}

const TEMPLATE =
  "this is a template, not YAML: render it first and check what comes out, such as helm template CHART | smschannel validate -";

/**
 * Whether the document is a template, such as one of Helm's. Double braces outside of quotes are either a syntax error or a map whose key
 * is a map, which no Kubernetes object has. Inside a string, such as a reply to a customer, they mean nothing, and the document's other
 * errors must be reported.
 */
function isTemplate({ document, lines, text }: YamlDocument): boolean {
  const [start, , end] = document.range ?? [0, 0, text.length];
  if (!text.slice(start, end).includes("{{")) return false;
  if (document.errors.length > 0) {
    const written = text.split("\n");
    // A line that contains only a template action can make the next line a syntax error.
    return document.errors.some(({ pos: [at] }) => {
      const { line } = lines.linePos(at);
      return hasOpenBraces(written[line - 1] ?? "") || /^\s*\{\{/.test(written[line - 2] ?? "");
    });
  }
  let found = false;
  visit(document, {
    Pair(_, { key }) {
      if (!isMap(key)) return undefined;
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

/**
 * Whether the line has double braces at its beginning or at the beginning of a value, where YAML reads them as a map. Quoted text and
 * comments are ignored.
 */
const hasOpenBraces = (line: string) =>
  /(?:^\s*|[:[{?]\s*|-\s+)\{\{/.test(
    line.replaceAll(/(?<=^|[\s,[{:])(?:"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)|#.*$)/g, ""),
  );

/** The objects in a document. `kubectl get -o yaml` prints a List with its objects under `items`. */
function itemsOf(object: unknown): [FieldPath, unknown][] {
  const { kind, items } = object as { kind?: unknown; items?: unknown };
  if (typeof kind !== "string" || !kind.endsWith("List") || !Array.isArray(items)) return [[[], object]];
  return items.map((item, index) => [["items", index], item]);
}

function sourceOf({ where, document, lines }: YamlDocument, prefix: FieldPath, object: unknown): Source {
  return {
    ...where,
    object,
    lineOf: (path) => lines.linePos(offsetOf(document, [...prefix, ...path])).line,
    typed(path) {
      const node = document.getIn([...prefix, ...path], true);
      return isScalar(node) ? node.source : undefined;
    },
  };
}

/** Where the deepest existing part of the path begins. For a field this is the field's name, on the line where people look for it. */
function offsetOf(document: Document, path: FieldPath): number {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const step of path) {
    if (!isCollection(node)) break;
    const [found, at] = stepInto(node, step);
    if (found === undefined) break;
    node = found;
    offset = at ?? offset;
  }
  return offset;
}

function stepInto(
  node: Node,
  step: string | number,
): [node?: Node | null | undefined, at?: number | undefined] {
  if (isSeq(node)) {
    const item = node.items[Number(step)] as Node | undefined;
    return [item, item?.range?.[0]];
  }
  if (!isMap(node)) return [];
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair === undefined ? [] : [pair.value as Node | null, (pair.key as Node).range?.[0]];
}
