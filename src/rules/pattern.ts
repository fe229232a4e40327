import { RE2JS, RE2Set } from "re2js";
import { counted, STEPS_PER_RULE, tooManySteps } from "./bounds.ts";

export interface Pattern {
  compiled: RE2JS;
  /** The length of the compiled program. The time to compile the pattern and to search a text grows with it. */
  steps: number;
}

/**
 * Compiles a pattern unless its program would be too long. Repeats multiply: a pattern of 1,000 characters can have 100,000
 * steps, which take seconds to compile. Throws an Error that says what is wrong with the pattern.
 */
export function compilePattern(pattern: string): Pattern {
  const atLeast = sumOfCounts(pattern);
  if (atLeast > STEPS_PER_RULE) throw new Error(tooManySteps("the pattern", `at least ${counted(atLeast)}`));
  const steps = stepsOf(parsed(pattern));
  if (steps > STEPS_PER_RULE) throw new Error(tooManySteps("the pattern", counted(steps)));
  return { compiled: RE2JS.compile(pattern), steps };
}

/**
 * The sum of all repeat counts, as in `x{20}` and `x{0,1000}`. A pattern has at least as many steps as this sum. The sum is
 * taken without the parser, which needs a second for a pattern full of large counts. Counts after a backslash or in brackets
 * are no repeats.
 */
function sumOfCounts(pattern: string): number {
  const repeats = pattern.replaceAll(/\\.|\[[^\]]*\]/gs, "").matchAll(/\{(\d+)(?:,(\d*))?\}/g);
  return [...repeats].reduce((sum, [, min, max]) => sum + Number(max || min), 0);
}

/** A node of a parsed pattern. A part that is repeated three times is in `subs` three times, always as the same object. */
interface PatternNode {
  op: number;
  subs: PatternNode[];
  runes: { length: number };
}

/** Parses a pattern without compiling it. The library offers that only through RE2Set, which compiles its patterns later. */
function parsed(pattern: string): PatternNode {
  const set = new RE2Set();
  try {
    set.add(pattern);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`the pattern is not valid in RE2: ${message.replace(/^error parsing regexp: /, "")}`);
  }
  return set.regexps[0] as PatternNode;
}

/**
 * The library's operator codes. The library does not export them, so they are read from patterns whose outermost operator is
 * known.
 */
const [LITERAL, GROUP, STAR, CONCAT, ALTERNATE] = ["ab", "(a)", "a*", "a.", "ab|.."].map(
  (pattern) => parsed(pattern).op,
);

/**
 * The `programSize()` that the compiled pattern would have, or one or two more for each star. This does not compile the
 * pattern.
 */
function stepsOf(pattern: PatternNode): number {
  const known = new Map<PatternNode, number>();
  const count = (node: PatternNode): number => {
    const before = known.get(node);
    if (before !== undefined) return before;
    const steps = node.subs.reduce((sum, sub) => sum + count(sub), ownSteps(node));
    known.set(node, steps);
    return steps;
  };
  // Every program has two more steps: one that fails and one that matches.
  return count(pattern) + 2;
}

function ownSteps({ op, subs, runes }: PatternNode): number {
  if (op === LITERAL) return Math.max(1, runes.length);
  if (op === CONCAT) return 0;
  if (op === ALTERNATE) return subs.length - 1;
  return op === GROUP || op === STAR ? 2 : 1;
}
