/**
 * How many steps the compiled patterns of one rule may have together. 3,000 steps compile in about 20 ms. The pattern
 * `.{0,1000}` must fit: it has the largest repeat count that RE2 allows, and 2,002 steps.
 */
export const STEPS_PER_RULE = 3000;

/**
 * How many steps and patterns all rules of one WorkStream may have together. The process that evaluates the rules keeps all
 * their patterns in memory.
 */
export const STEPS_PER_STREAM = 30_000;
export const PATTERNS_PER_STREAM = 256;

export function tooManySteps(what: string, steps: string): string {
  return `${what} would need ${steps} steps when compiled, and a rule can have at most ${counted(STEPS_PER_RULE)}: use smaller repeat counts, or * and +`;
}

/** Writes a number with commas: `3000` becomes `3,000`. */
export const counted = (n: number) => n.toLocaleString("en");
