import { Environment } from "@marcbachmann/cel-js";
import type { Rule, Schema } from "../api/crds.ts";
import type { FieldPath, FieldProblem } from "./finding.ts";
import { isObject } from "./structure.ts";

type CelProgram = (context: Record<string, unknown>) => unknown;

/** A compiled rule. `transition`: it compares with the object before the update. */
interface Compiled {
  holds: CelProgram;
  says: CelProgram | undefined;
  rule: Rule;
  transition: boolean;
}

/**
 * Evaluates the x-kubernetes-validations of a schema as the API server does. Rules are compiled once. With `old` undefined it
 * checks a
 * create, to which transition rules do not apply.
 */
export function celCheck(schema: Schema): (value: unknown, old: unknown) => FieldProblem[] {
  const rules = new Map<Schema, Compiled[]>();
  collect(schema, rules, false);
  return (value, old) => walk(schema, { value, old, path: [] }, rules);
}

function collect(schema: Schema, rules: Map<Schema, Compiled[]>, inList: boolean) {
  const own = (schema["x-kubernetes-validations"] ?? []).map(compile);
  // The API server pairs old and new list items by key. None of our rules needs that; should one, say so instead of skipping it.
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
    // The API server decides it in the same way: a rule that uses oldSelf is a transition rule.
    transition: /\boldSelf\b/.test(rule.rule),
  };
}

/** Adds Kubernetes' string functions that this CEL library lacks and our CRDs use. */
const environment = new Environment({ unlistedVariablesAreDyn: true })
  .registerFunction("string.replace(string, string): string", (text: string, from: string, to: string) =>
    text.replaceAll(from, to),
  )
  .registerFunction(
    "string.find(string): string",
    (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? "",
  );

/** A value in the object, with the one in its place before the update. */
interface CheckedPlace {
  value: unknown;
  old: unknown;
  path: FieldPath;
}

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
  // A fieldPath begins with a dot.
  const at = [...path, ...(rule.fieldPath ?? "").split(".").slice(1)];
  try {
    if (holds(context) === true) return [];
  } catch (error) {
    return [{ path: at, message: `the rule ${rule.rule} cannot be evaluated: ${(error as Error).message}` }];
  }
  return [{ path: at, message: sayWhy(says, context) ?? rule.message ?? `failed rule: ${rule.rule}` }];
}

/** As in the API server, undefined when the messageExpression fails or gives no usable text; then the fixed message is used. */
function sayWhy(says: CelProgram | undefined, context: Record<string, unknown>): string | undefined {
  try {
    const text = says?.(context);
    return typeof text === "string" && text.trim() !== "" && !text.includes("\n") ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Converts JSON to CEL's types: CEL tells integers from doubles, and the API server makes a date a timestamp. */
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
