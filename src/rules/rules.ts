import { Environment } from "@marcbachmann/cel-js";
import type { WorkStreamSpec } from "../api/index.ts";
import { facts } from "./facts.ts";
import { withLinearMatches } from "./matches.ts";

export type RoutingRule = NonNullable<WorkStreamSpec["routingRules"]>[number];

export interface RuleProblem {
  /** Place in the list. */
  index: number;
  name: string;
  /** What is wrong with its expression, and where. */
  message: string;
}

/** Rules that do not compile; routing leaves those out, and goes on with the others. */
export function ruleProblems(rules: readonly RoutingRule[]): RuleProblem[] {
  return rules.flatMap(({ name, when }, index) => {
    const message = problemOf(when);
    return message === undefined ? [] : [{ index, name, message }];
  });
}

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
);

function problemOf(when: string): string | undefined {
  const { valid, type, error } = environment.check(when);
  if (!valid) return `${named(error?.summary ?? String(error))}${placeOf(error?.range)}`;
  if (type !== "bool")
    return `it must be true or false, and is a value of type ${type}: compare it with something`;
  return undefined;
}

/** The library calls the type of a variable `$message`, which nobody wrote. */
const named = (text: string) => text.replaceAll(TYPE_OF_VARIABLE, "$1");
const TYPE_OF_VARIABLE = new RegExp(`\\$(${Object.keys(facts).join("|")})\\b`, "g");

const placeOf = (range: { start: number } | undefined) =>
  range === undefined ? "" : ` (at character ${range.start + 1})`;
