/**
 * Compares resourceVersions, to notice an API server whose store was restored from a backup.
 *
 * By Kubernetes' rules a resourceVersion is opaque: a client may ask whether two are equal, and nothing else. Since 1.35
 * (KEP 5504) the API server promises more of its own: versions of one resource are whole numbers that grow. Earlier API
 * servers count the same way, because the number is etcd's revision. An aggregated API server may use anything, so what is
 * not a whole number is never compared.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */

/** Is version `a` older than version `b` of the same collection? Undefined: they cannot be compared. */
export function isOlder(a: string, b: string): boolean | undefined {
  if (!isNumber(a) || !isNumber(b)) return undefined;
  // Compared as text, as a revision can exceed what a float holds. Without leading zeros the longer number is the larger.
  return a.length === b.length ? a < b : a.length < b.length;
}

/** "0" is no version of an object: in a request it means "any version will do". */
const isNumber = (version: string) => /^[1-9][0-9]*$/.test(version);
