import { type FieldPath, type FieldProblem, inQuotes, type Typed } from "./finding.ts";
import { isObject } from "./structure.ts";

/** All fields of Kubernetes' ObjectMeta. The API server drops other fields silently; kubectl refuses them. */
const KNOWN = new Set([
  "name",
  "generateName",
  "namespace",
  "labels",
  "annotations",
  "finalizers",
  "ownerReferences",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "managedFields",
  "selfLink",
]);

// Names and labels are checked as the API server does. A name is an RFC 1123 subdomain of up to 253 characters.
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/;

/** Checks an object's metadata. These rules are built into the API server and are not in the CRD. */
export function metadataProblems(metadata: unknown, typed: Typed): FieldProblem[] {
  const at = (...path: FieldPath) => ["metadata", ...path];
  if (!isObject(metadata)) return [{ path: at(), message: "Required value: write metadata with a name" }];
  const unknown = Object.keys(metadata)
    .filter((name) => !KNOWN.has(name))
    .map((name) => ({ path: at(name), message: `unknown field "metadata.${name}"` }));
  return [
    ...unknown,
    ...nameProblems(metadata.name ?? metadata.generateName, at("name"), typed),
    ...namespaceProblems(metadata.namespace, at("namespace"), typed),
    ...mapProblems(metadata.labels, at("labels"), LABEL_VALUE, typed),
    ...mapProblems(metadata.annotations, at("annotations"), undefined, typed),
  ];
}

function nameProblems(name: unknown, path: FieldPath, typed: Typed): FieldProblem[] {
  if (name === undefined || name === null || name === "")
    return [{ path, message: "Required value: name or generateName is required" }];
  if (typeof name !== "string")
    return [{ path, message: `must be of type string; ${inQuotes(path, name, typed)}` }];
  if (name.length <= 253 && SUBDOMAIN.test(name)) return [];
  return [
    {
      path,
      message:
        "must be a lowercase RFC 1123 subdomain: lower case letters, digits, '-' and '.', such as support-line",
    },
  ];
}

/** Checks only the type of the namespace's name. Only a cluster could show whether the namespace exists. */
function namespaceProblems(namespace: unknown, path: FieldPath, typed: Typed): FieldProblem[] {
  return namespace === undefined || namespace === null || typeof namespace === "string"
    ? []
    : [{ path, message: `must be of type string; ${inQuotes(path, namespace, typed)}` }];
}

/** Checks labels or annotations. Both have the same rules for keys, but only a label's value must match a pattern. */
function mapProblems(
  map: unknown,
  path: FieldPath,
  values: RegExp | undefined,
  typed: Typed,
): FieldProblem[] {
  if (map === undefined || map === null) return [];
  if (!isObject(map)) return [{ path, message: "must be a map of strings" }];
  return Object.entries(map).flatMap(([key, value]) => {
    if (typeof value !== "string")
      return [
        {
          path: [...path, key],
          message: `must be of type string; ${inQuotes([...path, key], value, typed)}`,
        },
      ];
    if (!LABEL_KEY.test(key))
      return [
        { path: [...path, key], message: "the key must be a name, or a DNS subdomain, a slash and a name" },
      ];
    const fits = values === undefined || (value.length <= 63 && values.test(value));
    return fits
      ? []
      : [{ path: [...path, key], message: "a label's value has up to 63 letters, digits, '-', '_' and '.'" }];
  });
}
