/**
 * How many steps the compiled patterns of one rule may have together. 3,000 compile in about 20 ms. `.{0,1000}`, which has the
 * largest
 * count that RE2 allows, has 2,002 and must fit.
 */
export const STEPS_PER_RULE = 3000;

/**
 * The same for all rules of one WorkStream, and how many patterns they may have: the process that evaluates them keeps all in
 * memory.
 */
export const STEPS_PER_STREAM = 30_000;
export const PATTERNS_PER_STREAM = 256;

export function tooManySteps(what: string, steps: string): string {
  return `${what} grows to ${steps} steps when it is compiled, and a rule can have at most ${counted(STEPS_PER_RULE)}: use smaller repeat counts, or * and +`;
}

/** `3000` → `3,000`. */
export const counted = (n: number) => n.toLocaleString("en");
