import { counted, PATTERNS_PER_STREAM, STEPS_PER_STREAM } from "./bounds.ts";
import type { ExpressionCheck, RoutingRule } from "./rules.ts";

export interface RuleProblem {
  /** The rule's index in the list of rules. */
  index: number;
  name: string;
  /** What is wrong with the expression, and where. */
  message: string;
}

/**
 * The rules of one WorkStream that cannot be evaluated. Routing skips these rules and uses the others. A rule that is good by
 * itself is also skipped when it would bring the WorkStream over its limits. Pure.
 */
export function problemsOf(rules: readonly RoutingRule[], checks: readonly ExpressionCheck[]): RuleProblem[] {
  const kept = { patterns: 0, steps: 0 };
  return rules.flatMap(({ name }, index) => {
    const message = problemOf(checks[index]!, kept);
    return message === undefined ? [] : [{ index, name, message }];
  });
}

/** Checks one rule. A good rule is added to `kept`, which counts the patterns and steps of the stream's rules so far. */
function problemOf(check: ExpressionCheck, kept: { patterns: number; steps: number }): string | undefined {
  if (!check.good) return check.message;
  const patterns = kept.patterns + check.patterns;
  const steps = kept.steps + check.steps;
  if (patterns > PATTERNS_PER_STREAM)
    return `together with this rule, the rules have ${patterns} patterns, and a WorkStream can have at most ${PATTERNS_PER_STREAM}: join several patterns with | into one`;
  if (steps > STEPS_PER_STREAM)
    return `together with this rule, the patterns of all rules need ${counted(steps)} steps, and a WorkStream can have at most ${counted(STEPS_PER_STREAM)}: use smaller repeat counts, or * and +`;
  Object.assign(kept, { patterns, steps });
  return undefined;
}
