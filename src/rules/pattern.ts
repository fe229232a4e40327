import { RE2JS, RE2Set } from "re2js";
import { counted, STEPS_PER_RULE, tooManySteps } from "./bounds.ts";

export interface Pattern {
  compiled: RE2JS;
  /** Length of its program. The time to compile it, and to search a text with it, grows with that. */
  steps: number;
}

/**
 * Compiles a pattern unless its program would be too long: repeats multiply, and 1,000 characters can ask for 100,000 steps,
 * which take seconds. Throws an Error whose message says what is wrong with the pattern.
 */
export function compilePattern(pattern: string): Pattern {
  const atLeast = sumOfCounts(pattern);
  if (atLeast > STEPS_PER_RULE) throw new Error(tooManySteps("the pattern", `at least ${counted(atLeast)}`));
  const steps = stepsOf(parsed(pattern));
  if (steps > STEPS_PER_RULE) throw new Error(tooManySteps("the pattern", counted(steps)));
  return { compiled: RE2JS.compile(pattern), steps };
}

/**
 * The counts of all repeats, as in `x{20}` and `x{0,1000}`. A pattern has at least as many steps. This needs no parser: parsing alone
 * takes a second for a pattern that is full of large counts. Counts behind a backslash or in brackets repeat nothing.
 */
function sumOfCounts(pattern: string): number {
  const repeats = pattern.replaceAll(/\\.|\[[^\]]*\]/gs, "").matchAll(/\{(\d+)(?:,(\d*))?\}/g);
  return [...repeats].reduce((sum, [, min, max]) => sum + Number(max || min), 0);
}

/** A node of a parsed pattern; what is repeated stands there once for each time, as one and the same node. */
interface PatternNode {
  op: number;
  subs: PatternNode[];
  runes: { length: number };
}

/** A set parses what is added to it and compiles nothing before it is asked to; the library has no other way to only parse. */
function parsed(pattern: string): PatternNode {
  const set = new RE2Set();
  try {
    set.add(pattern);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`the pattern is not RE2's: ${message.replace(/^error parsing regexp: /, "")}`);
  }
  return set.regexps[0] as PatternNode;
}

/** The library does not export the names of its operators: these are patterns whose outermost operator is known. */
const [LITERAL, GROUP, STAR, CONCAT, ALTERNATE] = ["ab", "(a)", "a*", "a.", "ab|.."].map(
  (pattern) => parsed(pattern).op,
);

/** `programSize()` of the compiled pattern, or one or two more for a star, without compiling it. */
function stepsOf(pattern: PatternNode): number {
  const known = new Map<PatternNode, number>();
  const count = (node: PatternNode): number => {
    const before = known.get(node);
    if (before !== undefined) return before;
    const steps = node.subs.reduce((sum, sub) => sum + count(sub), ownSteps(node));
    known.set(node, steps);
    return steps;
  };
  // Every program has one step that fails and one that matches.
  return count(pattern) + 2;
}

function ownSteps({ op, subs, runes }: PatternNode): number {
  if (op === LITERAL) return Math.max(1, runes.length);
  if (op === CONCAT) return 0;
  if (op === ALTERNATE) return subs.length - 1;
  return op === GROUP || op === STAR ? 2 : 1;
}
