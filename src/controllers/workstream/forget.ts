import { createHash } from "node:crypto";

/**
 * The name of an annotation that users set on a WorkStream. With any value the annotation ends former tokens
 * immediately. Each value acts only once, so that an annotation that stays in Git does not end former tokens at every
 * later rotation.
 */
export const FORGET_ANNOTATION = "smschannel.dev/forget-previous-token";

/**
 * How many hex digits are kept of the hash of a value. They hold 96 bits, so two values of one WorkStream do not
 * get the same hash by chance.
 */
const MARK_LENGTH = 24;

/**
 * Decides whether this value of the annotation is new, and what to remember of it. Pure. Only a hash of the value
 * is remembered: a value may have 256 KiB, and the record shares its Secret with other tenants. Older versions
 * recorded the value itself, and such a value must not act again.
 */
export function forgetOf(
  annotation: string | undefined,
  recorded: string | undefined,
): { forget: boolean; forgotten: string | undefined } {
  if (annotation === undefined) return { forget: false, forgotten: shortened(recorded) };
  const mark = markOf(annotation);
  return { forget: recorded !== mark && recorded !== annotation, forgotten: mark };
}

/** Replaces a long value that an older version recorded by its hash, even after the annotation was removed. */
function shortened(recorded: string | undefined): string | undefined {
  return recorded !== undefined && recorded.length > MARK_LENGTH ? markOf(recorded) : recorded;
}

function markOf(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, MARK_LENGTH);
}
