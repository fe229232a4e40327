import type { SimulatedFault } from "../faults/faults.ts";
import type { InboundText } from "../messages/inbound.ts";

/** The error for invalid input to the control API. The message is a sentence for the person who sent the input. */
export class InputError extends Error {}

type InputObject = Record<string, unknown>;

/** Reads the body of `POST /_simulator/inbound`. The content of media is base64, or plain text with `"encoding": "utf8"`. */
export function readInbound(text: string): InboundText {
  const input = object(parse(text), "The body");
  only(input, "The body", ["from", "to", "body", "media", "params"]);
  const media = input.media === undefined ? [] : array(input.media, "media").map(readMedia);
  const params = Object.entries(object(input.params ?? {}, "params")).map(([name, value]) => [
    name,
    string(value, `params.${name}`),
  ]);
  return {
    from: nonEmpty(input.from, "from"),
    to: nonEmpty(input.to, "to"),
    // A text with media may leave out its body.
    body: input.body === undefined && media.length > 0 ? "" : string(input.body, "body"),
    media,
    params: Object.fromEntries(params) as Record<string, string>,
  };
}

function readMedia(value: unknown, index: number): { contentType: string; content: Buffer } {
  const where = `media[${index}]`;
  const input = object(value, where);
  only(input, where, ["contentType", "content", "encoding"]);
  const encoding = input.encoding ?? "base64";
  if (encoding !== "base64" && encoding !== "utf8")
    throw new InputError(`${where}.encoding must be base64 or utf8.`);
  const content = Buffer.from(string(input.content ?? "", `${where}.content`), encoding);
  return { contentType: nonEmpty(input.contentType, `${where}.contentType`), content };
}

/** The fields that a fault of any kind may have. */
const common = [
  "operation",
  "product",
  "method",
  "path",
  "accountSid",
  "region",
  "count",
  "durationMs",
  "after",
  "kind",
];
/** The additional fields of each kind of fault. The fields in `needs` are required. */
const kinds: Record<SimulatedFault["kind"], { takes: string[]; needs: string[] }> = {
  status: { takes: ["status", "retryAfterSeconds", "body"], needs: ["status"] },
  slow: { takes: ["ms", "when"], needs: ["ms"] },
  reset: { takes: ["when"], needs: ["when"] },
  cut: { takes: [], needs: [] },
  garbage: { takes: [], needs: [] },
  otherNumber: { takes: [], needs: [] },
  unchanged: { takes: [], needs: [] },
  nextPage: { takes: ["url"], needs: ["url"] },
  listLacks: { takes: ["number"], needs: ["number"] },
  listLag: { takes: ["ms"], needs: ["ms"] },
};

/**
 * Reads one fault or a list of faults from JSON. One invalid fault makes it refuse the whole list, because a user would hardly notice that
 * only half of the faults are armed.
 */
export function readFaults(text: string): SimulatedFault[] {
  const input = parse(text);
  return (Array.isArray(input) ? input : [input]).map((value, index) => readFault(value, index));
}

/** Checks one fault. Its error messages name the position in the list, so that a person finds the mistake. */
function readFault(value: unknown, index: number): SimulatedFault {
  const where = `fault ${index + 1}`;
  const input = object(value, where);
  const kind = kinds[input.kind as SimulatedFault["kind"]];
  if (kind === undefined)
    throw new InputError(`${where}: kind must be one of ${Object.keys(kinds).join(", ")}.`);
  only(input, where, [...common, ...kind.takes]);
  for (const name of kind.needs)
    if (input[name] === undefined)
      throw new InputError(`${where}: a fault of kind ${input.kind} needs ${name}.`);
  for (const name of ["operation", "product", "method", "path", "accountSid", "region", "url", "number"])
    if (input[name] !== undefined) nonEmpty(input[name], `${where}: ${name}`);
  for (const name of ["count", "durationMs", "after", "ms", "retryAfterSeconds"])
    if (input[name] !== undefined) whole(input[name], `${where}: ${name}`, 0, 86_400_000);
  if (input.status !== undefined) whole(input.status, `${where}: status`, 400, 599);
  if (input.when !== undefined && input.when !== "before" && input.when !== "after")
    throw new InputError(`${where}: when must be before or after.`);
  if (input.body !== undefined && input.body !== "json" && input.body !== "html")
    throw new InputError(`${where}: body must be json or html.`);
  // Every field was checked above, but TypeScript cannot infer the type from those checks.
  return input as unknown as SimulatedFault;
}

function nonEmpty(value: unknown, name: string): string {
  const text = string(value, name);
  if (text === "") throw new InputError(`${name} must not be empty.`);
  return text;
}

function string(value: unknown, name: string): string {
  if (typeof value !== "string") throw new InputError(`${name} must be a string.`);
  return value;
}

function whole(value: unknown, name: string, min: number, max: number): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw new InputError(`${name} must be a whole number from ${min} to ${max}.`);
}

function array(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw new InputError(`${name} must be a list.`);
  return value;
}

function object(value: unknown, name: string): InputObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new InputError(`${name} must be a JSON object.`);
  return value as InputObject;
}

/** Refuses unknown fields, because a misspelt field would silently have no effect. */
function only(input: InputObject, where: string, names: string[]): void {
  const unknown = Object.keys(input).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new InputError(`${where} has an unknown field "${unknown}"; it takes ${names.join(", ")}.`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError("The input is not valid JSON.");
  }
}
