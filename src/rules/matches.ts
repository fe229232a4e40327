import type { Environment } from "@marcbachmann/cel-js";
import type { RE2JS } from "re2js";
import { compilePattern, type Pattern } from "./pattern.ts";

/** A node of the CEL library's parsed expressions, with the parts that this module uses. */
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

/** The name of the type for which the macro is registered. No value has this type. */
const NO_VALUE = "PatternOwner";

/**
 * Gives a CEL environment a `matches` function that takes linear time. The library's own `matches` uses JavaScript's RegExp,
 * for which a bad pattern and one text can take years.
 *
 * The library's function cannot be replaced by another function, since two functions may not have the same parameters. It can
 * be replaced by a macro: the library looks for macros before functions, by name and number of arguments alone, whatever the
 * types are. A macro also gets the pattern before anything is evaluated, so the pattern is compiled only once.
 */
export function withLinearMatches(
  environment: Environment,
  /** Called for each pattern that was compiled. */
  onPattern: (pattern: Pattern) => void,
): Environment {
  return environment
    .registerType({ name: NO_VALUE, fields: { none: "string" } })
    .registerFunction(`${NO_VALUE}.matches(ast): bool`, ({ receiver, args: [pattern] }: MacroCall) => {
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

/**
 * Accepts only a pattern that is written out in the rule. Then a bad pattern is found when the rule is applied, and no pattern
 * is compiled anew for each text.
 */
function compile(pattern: ExpressionNode, checker: Checker): Pattern {
  if (pattern.op !== "value" || typeof pattern.args !== "string")
    throw checker.createError(
      "invalid_regular_expression",
      "the pattern of matches must be written out in quotes: to look for several, join them with | in one pattern",
      pattern,
    );
  try {
    return compilePattern(pattern.args);
  } catch (error) {
    throw checker.createError("invalid_regular_expression", (error as Error).message, pattern);
  }
}
