import type { Environment } from "@marcbachmann/cel-js";
import type { RE2JS } from "re2js";
import { compilePattern, type Pattern } from "./pattern.ts";

/** A node of a parsed expression, as far as it is looked at here. */
interface ExpressionNode {
  op: string;
  args: unknown;
}
interface Checker {
  check(node: ExpressionNode, scope: unknown): { name: string };
  getType(name: string): unknown;
  createError(code: string, message: string, node: ExpressionNode): Error;
}
interface Evaluator {
  run(node: ExpressionNode, scope: unknown): string;
}

/** A type that no value has. */
const NOBODY = "PatternOwner";

/**
 * Gives an environment a `matches` in linear time. The library's own is JavaScript's RegExp, which one evil text can keep busy
 * for years, and it cannot be replaced, as no two functions may have the same parameters. A macro can: it is found by name and
 * number of arguments alone, whatever type it is said to belong to, and is given the pattern before anything is evaluated.
 */
export function withLinearMatches(
  environment: Environment,
  /** Told of each pattern that was compiled. */
  onPattern: (pattern: Pattern) => void,
): Environment {
  return environment
    .registerType({ name: NOBODY, fields: { none: "string" } })
    .registerFunction(`${NOBODY}.matches(ast): bool`, ({ receiver, args: [pattern] }: MacroCall) => {
      let compiled: RE2JS | undefined;
      return {
        typeCheck(checker: Checker, _call: unknown, scope: unknown) {
          const { name } = checker.check(receiver, scope);
          if (name !== "string")
            throw checker.createError(
              "no_matching_overload",
              `matches is for texts, not for ${name}`,
              receiver,
            );
          const made = compile(pattern, checker);
          onPattern(made);
          compiled = made.compiled;
          return checker.getType("bool");
        },
        evaluate: (evaluator: Evaluator, _call: unknown, scope: unknown) =>
          compiled!.test(evaluator.run(receiver, scope)),
      };
    });
}

interface MacroCall {
  receiver: ExpressionNode;
  args: [ExpressionNode];
}

/** Only what stands in the rule itself: a bad pattern is then found when the rule is applied, and none is compiled per text. */
function compile(pattern: ExpressionNode, checker: Checker): Pattern {
  if (pattern.op !== "value" || typeof pattern.args !== "string")
    throw checker.createError(
      "invalid_regular_expression",
      "the pattern of matches must be written out in quotes: join several with | inside of it",
      pattern,
    );
  try {
    return compilePattern(pattern.args);
  } catch (error) {
    throw checker.createError("invalid_regular_expression", (error as Error).message, pattern);
  }
}
