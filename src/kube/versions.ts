/**
 * Is version `a` of the same collection older than `b`? Undefined where that cannot be told. Kubernetes says since 1.35
 * (KEP 5504) that the API server's own versions are whole numbers that grow; to anybody else's they are opaque.
 */
export function isOlder(a: string, b: string): boolean | undefined {
  if (!isNumber(a) || !isNumber(b)) return undefined;
  // Without leading zeros the longer number is the larger one; they can exceed what a float holds.
  return a.length === b.length ? a < b : a.length < b.length;
}

const isNumber = (version: string) => /^[1-9][0-9]*$/.test(version);
