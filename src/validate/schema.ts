import { Ajv, type ErrorObject, type SchemaObject, type ValidateFunction } from "ajv";
import type { Schema } from "../api/crds.ts";
import { type FieldPath, type FieldProblem, inQuotes, type Typed } from "./finding.ts";

/**
 * Makes a function that checks values against an OpenAPI schema. Where the API server has a message for a problem, the same message is
 * used, so that a web search finds explanations.
 */
export function schemaCheck(schema: Schema): (value: unknown, typed: Typed) => FieldProblem[] {
  // `allErrors` is set because the API server reports all errors at once, and `verbose` because the messages quote the value.
  const ajv = new Ajv({ allErrors: true, strictTypes: false, verbose: true });
  // Ajv refuses a schema with an unknown format, so each format of the CRDs must be registered.
  ajv.addFormat("int32", true);
  ajv.addFormat("int64", true);
  ajv.addFormat("date-time", true);
  ajv.addFormat("date", isDate);
  const validate: ValidateFunction = ajv.compile(plain(schema));
  return (value, typed) => {
    validate(value);
    return (validate.errors ?? []).map((error) => problemOf(error, typed));
  };
}

/** Whether the text is a day that exists, such as 2026-02-28 but not 2026-02-30. The API server checks `format: date` in this way. */
function isDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return (
    /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
  );
}

/** The schema without the keywords that ajv does not know, and without defaults, which `normalise` has already applied. */
function plain(schema: Schema): SchemaObject {
  const { description: _, default: __, properties, items, ...rest } = schema;
  const known = Object.entries(rest).filter(([key]) => !key.startsWith("x-kubernetes-"));
  return {
    ...Object.fromEntries(known),
    ...(items === undefined ? {} : { items: plain(items) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, child]) => [name, plain(child)]),
          ),
        }),
  };
}

function problemOf(error: ErrorObject, typed: Typed): FieldProblem {
  const at = pathOf(error.instancePath);
  const path = error.keyword === "required" ? [...at, error.params.missingProperty as string] : at;
  const words = worded[error.keyword];
  const message = words === undefined ? (error.message ?? error.keyword) : words(error, path, typed);
  return { path, message, blocking: BLOCKING.has(error.keyword), pattern: error.keyword === "pattern" };
}

/** The API server evaluates no CEL rule of an object that breaks one of these schema keywords. */
const BLOCKING = new Set(["type", "required", "enum", "maxLength", "maxItems", "format"]);

type Wording = (error: ErrorObject, path: FieldPath, typed: Typed) => string;

/** The message for each schema keyword, in the API server's words. */
const worded: Record<string, Wording> = {
  required: () => "Required value",
  type: ({ params, data }, path, typed) => {
    const said = `must be of type ${params.type}: "${typeOf(data)}"`;
    const quoted = params.type === "string" && typeof data !== "object";
    return quoted ? `${said}; ${inQuotes(path, data, typed)}` : said;
  },
  enum: ({ params, data }, path, typed) =>
    `Unsupported value: ${typeof data === "string" ? JSON.stringify(data) : (typed(path) ?? JSON.stringify(data))}: supported values: ${(params.allowedValues as unknown[]).map((value) => JSON.stringify(value)).join(", ")}`,
  pattern: ({ params }) => `should match '${params.pattern}'`,
  format: ({ params, data }) =>
    `must be of type ${params.format}: ${JSON.stringify(data)}; write a day that exists, as YYYY-MM-DD`,
  minLength: ({ params }) => `should be at least ${params.limit} chars long`,
  maxLength: ({ params }) => `Too long: may not be more than ${params.limit} bytes`,
  minItems: ({ params }) => `should have at least ${params.limit} items`,
  maxItems: ({ params, data }) =>
    `Too many: ${(data as unknown[]).length}: must have at most ${params.limit} items`,
  minimum: ({ params }) => `should be greater than or equal to ${params.limit}`,
  maximum: ({ params }) => `should be less than or equal to ${params.limit}`,
};

/** The type of a value in the words of a schema. JSON has no integers, so a whole number counts as an integer. */
function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value;
}

/** Turns a JSON pointer such as `/spec/sinks/0/url` into a path. */
function pathOf(pointer: string): FieldPath {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}
