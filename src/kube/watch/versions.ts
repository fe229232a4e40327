/**
 * Compares resourceVersions, to notice an API server whose store was restored from a backup.
 *
 * By Kubernetes' rules a resourceVersion is opaque: a client may check whether two versions are equal, and nothing else. Since
 * 1.35 (KEP 5504) the API server promises more for its own resources: the versions of one resource are whole numbers that grow.
 * Earlier API servers count the same way, because the number is etcd's revision. An aggregated API server may use any text, so
 * versions that are not whole numbers are never compared.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */

/** Whether version `a` is older than version `b` of the same collection; undefined when the two cannot be compared. */
export function isOlder(a: string, b: string): boolean | undefined {
  if (!isNumber(a) || !isNumber(b)) return undefined;
  // Versions are compared as text, because a revision can exceed what a float holds. Without leading zeros the longer number is
  // the larger one.
  return a.length === b.length ? a < b : a.length < b.length;
}

/** Whether the version is a whole number. "0" is no version of an object: in a request it means "any version will do". */
const isNumber = (version: string) => /^[1-9][0-9]*$/.test(version);
