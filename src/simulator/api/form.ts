import { isWebhookUrl } from "../webhooks/webhook-url.ts";
import { badRequest } from "./errors.ts";
import type { ApiCall, SimulatorContext } from "./operation.ts";

/** How a form field is checked. For most kinds an empty value is allowed and clears the setting, as at Twilio. */
type FieldKind =
  | { kind: "text"; max?: number }
  | { kind: "url" }
  | { kind: "method" }
  | { kind: "boolean" }
  | { kind: "integer"; min: number; max: number }
  /** The SID of a TwiML application of the same account. */
  | { kind: "application" };

/** The form fields of an operation by their Twilio names, each with the property that it sets. */
export type FormFields<T> = Record<string, FieldKind & { sets: keyof T & string }>;

/** Shorthands for the field kinds that are used most. */
export const field = {
  text: <S extends string>(sets: S, max?: number) =>
    ({ kind: "text", sets, ...(max === undefined ? {} : { max }) }) as const,
  url: <S extends string>(sets: S) => ({ kind: "url", sets }) as const,
  method: <S extends string>(sets: S) => ({ kind: "method", sets }) as const,
  boolean: <S extends string>(sets: S) => ({ kind: "boolean", sets }) as const,
};

/**
 * Returns the changes that a form asks for: a field that was not sent changes nothing. Throws at the first invalid value, before anything
 * is changed. Unknown fields are ignored, and their names are noted in `call.ignored`, see docs/simulator.md.
 */
export function readForm<T>(call: ApiCall, context: SimulatorContext, fields: FormFields<T>): Partial<T> {
  const changes: Record<string, unknown> = {};
  for (const [name, value] of call.form) {
    const known = fields[name];
    if (known === undefined) {
      call.ignored.push(name);
      continue;
    }
    changes[known.sets] = readField({ name, value, field: known }, call, context);
  }
  return changes as Partial<T>;
}

/** Notes the names of unknown fields, for operations that do not use `readForm`. */
export function noteUnknown({ form, ignored }: ApiCall, known: (name: string) => boolean): void {
  ignored.push(...[...form.keys()].filter((name) => !known(name)));
}

interface SentField {
  name: string;
  value: string;
  field: FieldKind;
}

function readField({ name, value, field }: SentField, call: ApiCall, context: SimulatorContext): unknown {
  switch (field.kind) {
    case "text":
      if (field.max !== undefined && value.length > field.max)
        throw badRequest(20001, `${name} is longer than ${field.max} characters`);
      return value;
    case "url":
      if (value !== "" && !isWebhookUrl(value, context))
        throw badRequest(21402, `${name} is not valid: ${value}`);
      return value;
    case "method":
      if (value !== "" && value !== "GET" && value !== "POST")
        throw badRequest(21403, `${name} is not valid: ${value}; it must be GET or POST`);
      return value || "POST";
    case "boolean":
      if (!/^(true|false)$/i.test(value)) throw badRequest(20001, `${name} must be true or false`);
      return value.toLowerCase() === "true";
    case "integer":
      if (!/^[0-9]{1,9}$/.test(value) || Number(value) < field.min || Number(value) > field.max)
        throw badRequest(20001, `${name} must be a whole number from ${field.min} to ${field.max}`);
      return Number(value);
    case "application":
      // An application of another account gets the same error as an application that does not exist.
      if (value !== "" && call.region.applications.of(call.account.sid, value) === undefined)
        throw badRequest(21420);
      return value;
  }
}
