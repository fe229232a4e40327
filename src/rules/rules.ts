import { Environment } from "@marcbachmann/cel-js";
import type { WorkStreamSpec } from "../api/index.ts";
import { counted, STEPS_PER_RULE, tooManySteps } from "./bounds.ts";
import { facts } from "./facts.ts";
import { withLinearMatches } from "./matches.ts";

export type RoutingRule = NonNullable<WorkStreamSpec["routingRules"]>[number];

/** What is thought of one expression. */
export type ExpressionCheck =
  | { good: true; patterns: number; steps: number }
  /** What is wrong with it, and where. */
  | { good: false; message: string };

/** The patterns of the expression that is being checked. */
const compiled = { patterns: 0, steps: 0 };

/** What rules are checked and evaluated in; nothing that is not declared exists. */
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

/** Parses, type-checks and compiles an expression. May take tens of milliseconds: never call it where others wait. */
export function judge(when: string): ExpressionCheck {
  Object.assign(compiled, { patterns: 0, steps: 0 });
  const { valid, type, error } = environment.check(when);
  if (!valid) return bad(`${named(error?.summary ?? String(error))}${placeOf(error?.range)}`);
  if (type !== "bool")
    return bad(`it must be true or false, and is a value of type ${type}: compare it with something`);
  if (compiled.steps > STEPS_PER_RULE)
    return bad(tooManySteps("what its patterns ask for", counted(compiled.steps)));
  return { good: true, ...compiled };
}

/** A type of nested lists can have a name of thousands of characters. */
const LONGEST_MESSAGE = 400;

const bad = (message: string): ExpressionCheck => ({
  good: false,
  message:
    message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE).toWellFormed()}…` : message,
});

/** The library calls the type of a variable `$message`, which nobody wrote. */
const named = (text: string) => text.replaceAll(TYPE_OF_VARIABLE, "$1");
const TYPE_OF_VARIABLE = new RegExp(`\\$(${Object.keys(facts).join("|")})\\b`, "g");

const placeOf = (range: { start: number } | undefined) =>
  range === undefined ? "" : ` (at character ${range.start + 1})`;
