import { Environment } from "@marcbachmann/cel-js";
import type { WorkStreamSpec } from "../api/index.ts";
import { counted, STEPS_PER_RULE, tooManySteps } from "./bounds.ts";
import { facts } from "./facts.ts";
import { withLinearMatches } from "./matches.ts";

export type RoutingRule = NonNullable<WorkStreamSpec["routingRules"]>[number];

/** The result of checking one expression. */
export type ExpressionCheck =
  | { good: true; patterns: number; steps: number }
  /** The message says what is wrong, and where. */
  | { good: false; message: string };

/**
 * Counts the patterns and steps of the expression that is being checked, because `onPattern` has no other way to return them.
 */
const compiled = { patterns: 0, steps: 0 };

/** The environment in which rules are checked and evaluated. Rules can use nothing but the fields in `facts`. */
export const environment = withLinearMatches(
  Object.entries(facts).reduce(
    (declared, [name, fields]) =>
      declared.registerVariable({
        name,
        schema: Object.fromEntries(Object.entries(fields).map(([field, { type }]) => [field, type])),
      }),
    new Environment(),
  ),
  ({ steps }) => {
    compiled.patterns += 1;
    compiled.steps += steps;
  },
);

/**
 * Parses, type-checks and compiles an expression. That may take tens of milliseconds, so call it only in the thread for rules.
 */
export function judge(when: string): ExpressionCheck {
  Object.assign(compiled, { patterns: 0, steps: 0 });
  const { valid, type, error } = environment.check(when);
  if (!valid) return bad(`${named(error?.summary ?? String(error))}${placeOf(error?.range)}`);
  if (type !== "bool")
    return bad(`it must be true or false, but is a value of type ${type}: compare it with something`);
  if (compiled.steps > STEPS_PER_RULE)
    return bad(tooManySteps("all its patterns together", counted(compiled.steps)));
  return { good: true, ...compiled };
}

/**
 * The longest message, in characters. The library's messages name types, and the name of a type of nested lists can have thousands of
 * characters.
 */
const LONGEST_MESSAGE = 400;

const bad = (message: string): ExpressionCheck => ({
  good: false,
  message:
    message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE).toWellFormed()}…` : message,
});

/** Turns `$message` into `message`: the library puts a $, which the user did not write, before the type of a variable. */
const named = (text: string) => text.replaceAll(TYPE_OF_VARIABLE, "$1");
const TYPE_OF_VARIABLE = new RegExp(`\\$(${Object.keys(facts).join("|")})\\b`, "g");

const placeOf = (range: { start: number } | undefined) =>
  range === undefined ? "" : ` (at character ${range.start + 1})`;
