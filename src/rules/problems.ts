import { counted, PATTERNS_PER_STREAM, STEPS_PER_STREAM } from "./bounds.ts";
import type { ExpressionCheck, RoutingRule } from "./rules.ts";

export interface RuleProblem {
  /** Index in the list of rules. */
  index: number;
  name: string;
  /** What is wrong with the expression, and where. */
  message: string;
}

/**
 * The rules of one WorkStream that cannot be evaluated. Routing skips them and uses the others. A rule that is good by itself is
 * one of
 * them when it would bring the WorkStream over its limits. Pure.
 */
export function problemsOf(rules: readonly RoutingRule[], checks: readonly ExpressionCheck[]): RuleProblem[] {
  const kept = { patterns: 0, steps: 0 };
  return rules.flatMap(({ name }, index) => {
    const message = problemOf(checks[index]!, kept);
    return message === undefined ? [] : [{ index, name, message }];
  });
}

/** Adds a good rule to `kept`, which counts what the stream's rules use. */
function problemOf(check: ExpressionCheck, kept: { patterns: number; steps: number }): string | undefined {
  if (!check.good) return check.message;
  const patterns = kept.patterns + check.patterns;
  const steps = kept.steps + check.steps;
  if (patterns > PATTERNS_PER_STREAM)
    return `with it the rules have ${patterns} patterns, and a WorkStream can have at most ${PATTERNS_PER_STREAM}: join several with | inside of one`;
  if (steps > STEPS_PER_STREAM)
    return `with it the patterns of all rules grow to ${counted(steps)} steps, and a WorkStream can have at most ${counted(STEPS_PER_STREAM)}: use smaller repeat counts, or * and +`;
  Object.assign(kept, { patterns, steps });
  return undefined;
}
