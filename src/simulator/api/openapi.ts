import { readFile } from "node:fs/promises";
import { Ajv, type ValidateFunction } from "ajv";
import type { ApiAnswer, ApiOperation, TwilioProduct } from "./operation.ts";

/** One successful call, to be compared with Twilio's OpenAPI files. */
export interface CheckedCall {
  operation: ApiOperation;
  form: URLSearchParams;
  query: URLSearchParams;
  answer: ApiAnswer;
}

/**
 * Compares calls with the API that Twilio publishes. A test against a simulator whose answers had other fields than Twilio's answers would
 * prove nothing.
 */
export interface Contract {
  /** One sentence for each difference found, in all calls so far. */
  readonly violations: string[];
  check(call: CheckedCall): void;
}

type JsonSchema = Record<string, unknown>;
interface OpenApiOperation {
  parameters?: { name: string; in: string; schema: JsonSchema }[];
  requestBody?: { content: Record<string, { schema: JsonSchema }> };
  responses: Record<string, { content?: Record<string, { schema: JsonSchema }> }>;
}
interface OpenApiFile {
  paths: Record<string, Record<string, OpenApiOperation>>;
  components: { schemas: Record<string, JsonSchema> };
}

/** One part of a call (its form, one query parameter, its answer) and the schema that it must fit. */
interface Validation {
  ajv: Ajv;
  operation: ApiOperation;
  what: string;
  value: unknown;
  schema: JsonSchema;
  document: OpenApiFile;
}

/** The string formats in Twilio's files that Ajv does not know, or defines differently. */
const formats = {
  "date-time-rfc-2822": /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} \+0000$/,
  "date-time": /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?Z)?$/,
  // URIs are relative in the 2010 API and absolute in the newer APIs.
  uri: (text: string) => URL.canParse(text, "https://api.twilio.com"),
  "phone-number": /^(\+[1-9][0-9*]{0,14}|[0-9*]{1,15}|[0-9]{3,6})$/,
  "http-method": /^(GET|POST)$/,
  currency: /^[A-Z]{3}$/,
  int64: true,
  "uri-map": true,
  "phone-number-capabilities": true,
} as const;

/** The products for which the repository contains an OpenAPI file. Calls of other products are not checked. */
const files: Partial<Record<TwilioProduct, string>> = {
  api: "twilio_api_v2010",
  messaging: "twilio_messaging_v1",
};
const directory = new URL("../../../test/fixtures/twilio-oai/", import.meta.url);
const formType = "application/x-www-form-urlencoded";

/** The OpenAPI files are read once per process: they have two megabytes, and every test starts its own simulator. */
let documents: Promise<Map<TwilioProduct, OpenApiFile>> | undefined;

/** Reads Twilio's OpenAPI files. Works only in a checkout of this repository: the files are test data and are not in the image. */
export async function openApiContract(): Promise<Contract> {
  documents ??= readDocuments();
  return new OpenApiContract(await documents);
}

async function readDocuments(): Promise<Map<TwilioProduct, OpenApiFile>> {
  const read = new Map<TwilioProduct, OpenApiFile>();
  for (const [product, name] of Object.entries(files) as [TwilioProduct, string][]) {
    const text = await readFile(new URL(`${name}.json`, directory), "utf8");
    read.set(product, tighten(JSON.parse(text)) as OpenApiFile);
  }
  return read;
}

const answers = new Ajv({ strict: false, allErrors: true, formats });
/** Forms and queries carry only text. Ajv therefore accepts the text `true` as a boolean, and a single value as a list with one element. */
const requests = new Ajv({ strict: false, allErrors: true, formats, coerceTypes: "array" });
/** Compiled schemas, shared by all simulators of a process: compiling one schema takes longer than a hundred calls. */
const compiled = new Map<string, ValidateFunction>();

class OpenApiContract implements Contract {
  readonly violations: string[] = [];
  readonly #documents: Map<TwilioProduct, OpenApiFile>;

  constructor(documents: Map<TwilioProduct, OpenApiFile>) {
    this.#documents = documents;
  }

  check({ operation, form, query, answer }: CheckedCall) {
    const document = this.#documents.get(operation.product);
    if (document === undefined) return;
    const published = find(document, operation);
    if (published === undefined) {
      // Twilio's files lack only one operation of the simulator: the content of media, which has no JSON body.
      if (answer.body !== undefined) this.#report(operation, "is not in the published API");
      return;
    }
    const asked = published.requestBody?.content[formType]?.schema;
    if (asked !== undefined)
      this.#validate({
        ajv: requests,
        operation,
        what: "form",
        value: fields(form),
        schema: asked,
        document,
      });
    for (const { name, in: where, schema } of published.parameters ?? []) {
      if (where !== "query" || !query.has(name)) continue;
      const value = { [name]: query.get(name) };
      const parameter = { type: "object", properties: { [name]: schema } };
      this.#validate({ ajv: requests, operation, what: name, value, schema: parameter, document });
    }
    const response = published.responses[answer.status];
    if (response === undefined) return this.#report(operation, `may not answer ${answer.status}`);
    const schema = Object.values(response.content ?? {})[0]?.schema;
    if (schema !== undefined)
      this.#validate({ ajv: answers, operation, what: "answer", value: answer.body, schema, document });
  }

  #validate({ ajv, operation, what, value, schema, document }: Validation): void {
    // An operation has one schema for each part of a call, so the names of operation and part are enough as a key of the compiled schemas.
    const key = `${operation.product} ${operation.name} ${what}`;
    const { components } = document;
    const validate = compiled.get(key) ?? ajv.compile({ ...schema, components });
    compiled.set(key, validate);
    if (validate(value)) return;
    // The error of `anyOf` only says that no alternative fits. The errors of the alternatives say why.
    const problems = validate.errors!.filter(({ keyword }) => keyword !== "anyOf");
    this.#report(
      operation,
      `${what}: ${problems.map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`).join("; ")}`,
    );
  }

  #report(operation: ApiOperation, problem: string): void {
    this.violations.push(`${operation.product} ${operation.name} ${problem}`);
  }
}

/** Finds an operation in Twilio's file. Ignores the names of path parameters, because Twilio's files name some of them differently. */
function find({ paths }: OpenApiFile, { path, method }: ApiOperation): OpenApiOperation | undefined {
  const shape = (text: string) => text.replace(/\{\w+\}/g, "{}");
  const found = Object.entries(paths).find(([published]) => shape(published) === shape(path));
  return found?.[1][method.toLowerCase()];
}

/** The form as an object for Ajv. A name that is sent several times becomes a list. */
function fields(form: URLSearchParams): Record<string, string | string[]> {
  const names = [...new Set(form.keys())];
  return Object.fromEntries(
    names.map((name) => [name, form.getAll(name).length > 1 ? form.getAll(name) : form.get(name)!]),
  );
}

/**
 * Changes the published schemas in two ways. They become stricter: an object must have all of its fields and no others; otherwise a missing
 * or misspelt field would pass. They also come closer to Twilio's real answers: a nullable value may be null even where its schema has a
 * pattern or a list of allowed values, and an unset string may be "".
 */
function tighten(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(tighten);
  if (typeof node !== "object" || node === null) return node;
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, tighten(value)]),
  ) as JsonSchema;
  const isObject = rest.type === "object" && typeof rest.properties === "object" && rest.properties !== null;
  const isForm = typeof rest.title === "string" && rest.title.endsWith("Request");
  if (isObject) rest.additionalProperties = false;
  if (isObject && !isForm) rest.required = Object.keys(rest.properties as JsonSchema);
  // Every form field may be empty, because a client clears a setting by sending its field with an empty value.
  if (isForm)
    rest.properties = mapValues(rest.properties as JsonSchema, (schema) => ({
      anyOf: [schema, { const: "" }],
    }));
  return nullable === true ? { anyOf: [rest, { type: "null" }, { const: "" }] } : rest;
}

const mapValues = (object: JsonSchema, map: (value: unknown) => unknown): JsonSchema =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
