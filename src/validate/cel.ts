import { Environment } from "@marcbachmann/cel-js";
import type { Rule, Schema } from "../api/crds.ts";
import type { FieldPath, FieldProblem } from "./finding.ts";
import { isObject } from "./structure.ts";

type CelProgram = (context: Record<string, unknown>) => unknown;

/** A compiled rule. `transition`: the rule compares the object with the object before the update. */
interface Compiled {
  holds: CelProgram;
  says: CelProgram | undefined;
  rule: Rule;
  transition: boolean;
}

/**
 * Makes a function that evaluates the x-kubernetes-validations of a schema as the API server does. The rules are compiled once. If `old` is
 * undefined, the object is being created, and transition rules do not apply.
 */
export function celCheck(schema: Schema): (value: unknown, old: unknown) => FieldProblem[] {
  const rules = new Map<Schema, Compiled[]>();
  collect(schema, rules, false);
  return (value, old) => walk(schema, { value, old, path: [] }, rules);
}

/** Compiles the rules of a schema and of all schemas inside it. The rules are kept by schema, so that `walk` finds them again. */
function collect(schema: Schema, rules: Map<Schema, Compiled[]>, inList: boolean) {
  const own = (schema["x-kubernetes-validations"] ?? []).map(compile);
  // The API server pairs old and new list items by key. No rule of our CRDs needs that. A future rule that needs it must fail here and must
  // not be skipped silently.
  if (inList && own.some(({ transition }) => transition))
    throw new Error("transition rules inside a list are not supported");
  if (own.length > 0) rules.set(schema, own);
  for (const child of Object.values(schema.properties ?? {})) collect(child, rules, inList);
  if (schema.items !== undefined) collect(schema.items, rules, true);
}

function compile(rule: Rule): Compiled {
  const { messageExpression } = rule;
  return {
    rule,
    holds: environment.parse(rule.rule) as CelProgram,
    says: messageExpression === undefined ? undefined : (environment.parse(messageExpression) as CelProgram),
    // As in the API server, a rule that uses oldSelf is a transition rule.
    transition: /\boldSelf\b/.test(rule.rule),
  };
}

/** Kubernetes has its own string functions in CEL. This environment adds two functions that our CRDs use and this CEL library lacks. */
const environment = new Environment({ unlistedVariablesAreDyn: true })
  .registerFunction("string.replace(string, string): string", (text: string, from: string, to: string) =>
    text.replaceAll(from, to),
  )
  .registerFunction(
    "string.find(string): string",
    (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? "",
  );

/** A value in the object, with the value at the same place before the update. */
interface CheckedPlace {
  value: unknown;
  old: unknown;
  path: FieldPath;
}

/** Evaluates the rules of an object from the outside to the inside, as the API server does. */
function walk(schema: Schema, place: CheckedPlace, rules: Map<Schema, Compiled[]>): FieldProblem[] {
  const { value, old, path } = place;
  if (value === undefined || value === null) return [];
  const own = (rules.get(schema) ?? []).flatMap((rule) => judge(rule, schema, place));
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    isObject(value)
      ? walk(
          child,
          { value: value[name], old: isObject(old) ? old[name] : undefined, path: [...path, name] },
          rules,
        )
      : [],
  );
  const { items } = schema;
  const listed =
    items !== undefined && Array.isArray(value)
      ? value.flatMap((item, i) => walk(items, { value: item, old: undefined, path: [...path, i] }, rules))
      : [];
  return [...own, ...fields, ...listed];
}

function judge(
  { holds, says, rule, transition }: Compiled,
  schema: Schema,
  { value, old, path }: CheckedPlace,
): FieldProblem[] {
  if (transition && old === undefined) return [];
  const context = { self: toCel(schema, value), ...(transition ? { oldSelf: toCel(schema, old) } : {}) };
  // A rule's fieldPath begins with a dot, so the first part of the split path is empty.
  const at = [...path, ...(rule.fieldPath ?? "").split(".").slice(1)];
  try {
    if (holds(context) === true) return [];
  } catch (error) {
    // A rule that cannot be evaluated counts as failed, as in the API server.
    return [{ path: at, message: `the rule ${rule.rule} cannot be evaluated: ${(error as Error).message}` }];
  }
  return [{ path: at, message: sayWhy(says, context) ?? rule.message ?? `failed rule: ${rule.rule}` }];
}

/**
 * The text of a rule's messageExpression. As in the API server, it is undefined when the expression fails or gives no usable text; then the
 * fixed message is used.
 */
function sayWhy(says: CelProgram | undefined, context: Record<string, unknown>): string | undefined {
  try {
    const text = says?.(context);
    return typeof text === "string" && text.trim() !== "" && !text.includes("\n") ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Converts JSON to CEL's types. CEL distinguishes integers from doubles, and the API server turns a date into a timestamp. */
function toCel(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => toCel(schema.items ?? {}, item));
  if (isObject(value))
    return Object.fromEntries(
      Object.entries(value).map(([name, child]) => [name, toCel(schema.properties?.[name] ?? {}, child)]),
    );
  if (schema.type === "integer" && typeof value === "number") return BigInt(value);
  if (schema.format === "date" && typeof value === "string") return new Date(`${value}T00:00:00Z`);
  return value;
}
