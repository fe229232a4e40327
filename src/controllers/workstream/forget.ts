import { createHash } from "node:crypto";

/**
 * Public: set on a WorkStream, with any value, it ends former tokens at once. Each value acts once, so that an
 * annotation in Git does not end every later rotation.
 */
export const FORGET_ANNOTATION = "smschannel.dev/forget-previous-token";

/** Hex digits of the hash: 96 bits, so that no two values of one object meet by chance. */
const MARK_LENGTH = 24;

/**
 * Is this value of the annotation new, and what is to be remembered of it? Only its hash is: a value may have 256
 * KiB, and the record shares its Secret with other tenants. Older versions recorded the value itself, which must
 * not act again. Pure.
 */
export function forgetOf(
  annotation: string | undefined,
  recorded: string | undefined,
): { forget: boolean; forgotten: string | undefined } {
  if (annotation === undefined) return { forget: false, forgotten: shortened(recorded) };
  const mark = markOf(annotation);
  return { forget: recorded !== mark && recorded !== annotation, forgotten: mark };
}

/** A long value that an older version recorded is shortened, also once its annotation is gone. */
function shortened(recorded: string | undefined): string | undefined {
  return recorded !== undefined && recorded.length > MARK_LENGTH ? markOf(recorded) : recorded;
}

function markOf(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, MARK_LENGTH);
}
