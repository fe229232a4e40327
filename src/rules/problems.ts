import { counted, PATTERNS_PER_STREAM, STEPS_PER_STREAM } from "./bounds.ts";
import type { ExpressionCheck, RoutingRule } from "./rules.ts";

export interface RuleProblem {
  /** Place in the list. */
  index: number;
  name: string;
  /** What is wrong with its expression, and where. */
  message: string;
}

/**
 * The rules of one WorkStream that cannot be evaluated; routing leaves those out and goes on with the others. A rule that is good
 * alone is one of them when it would bring the stream over its bounds. Pure.
 */
export function problemsOf(rules: readonly RoutingRule[], checks: readonly ExpressionCheck[]): RuleProblem[] {
  const kept = { patterns: 0, steps: 0 };
  return rules.flatMap(({ name }, index) => {
    const message = problemOf(checks[index]!, kept);
    return message === undefined ? [] : [{ index, name, message }];
  });
}

/** Adds a good rule to what is kept. */
function problemOf(check: ExpressionCheck, kept: { patterns: number; steps: number }): string | undefined {
  if (!check.good) return check.message;
  const patterns = kept.patterns + check.patterns;
  const steps = kept.steps + check.steps;
  if (patterns > PATTERNS_PER_STREAM)
    return `with it the rules have ${patterns} patterns, and a WorkStream may have ${PATTERNS_PER_STREAM}: join several with | inside of one`;
  if (steps > STEPS_PER_STREAM)
    return `with it the patterns of all rules grow to ${counted(steps)} steps, and a WorkStream may have ${counted(STEPS_PER_STREAM)}: use smaller repeat counts, or * and +`;
  Object.assign(kept, { patterns, steps });
  return undefined;
}
