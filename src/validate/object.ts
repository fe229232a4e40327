import { type Crd, readCrds } from "../api/crds.ts";
import { celCheck } from "./cel.ts";
import { type FieldProblem, fieldOf, type Typed } from "./finding.ts";
import { metadataProblems } from "./metadata.ts";
import { schemaCheck } from "./schema.ts";
import { duplicates, isObject, normalise, unknownFields } from "./structure.ts";

export interface ObjectCheck {
  /** The object as the API server would store it. */
  object: Record<string, unknown>;
  problems: FieldProblem[];
}

interface ObjectCheckOptions {
  /** The object as it is in the cluster, if this is an update. */
  old?: unknown;
  /** Looks up scalars as they were typed, for messages. */
  typed?: Typed;
}

/** A kind with its compiled rules. */
export interface KindChecker extends Crd {
  check(object: Record<string, unknown>, options?: ObjectCheckOptions): ObjectCheck;
}

/** Our kinds by name, from crds/. */
export function readKinds(): Map<string, KindChecker> {
  return new Map(readCrds().map((crd) => [crd.kind, { ...crd, check: checkOf(crd) }]));
}

function checkOf({ group, version, schema }: Crd): KindChecker["check"] {
  // The API server ignores status in a file, since it is a subresource. Metadata is checked on its own.
  const checkSchema = schemaCheck(schema);
  const checkCel = celCheck(schema);
  const known = { ...schema, properties: { ...schema.properties, metadata: { type: "object" as const } } };
  const prepare = (object: unknown) => {
    const { status: _, ...rest } = isObject(object) ? object : {};
    return normalise(known, rest);
  };
  return (object, { old, typed = () => undefined } = {}) => {
    const value = prepare(object) as Record<string, unknown>;
    const shape = [
      ...versionProblems(object.apiVersion, `${group}/${version}`),
      ...metadataProblems(object.metadata, typed),
      ...unknownFields(known, { ...object, status: undefined }),
      ...checkSchema(value, typed),
      ...duplicates(schema, value),
    ];
    const rules = shape.some(({ blocking }) => blocking)
      ? []
      : checkCel(value, old === undefined ? undefined : prepare(old));
    // Where a rule and a pattern both fail only the rule is reported: it says more. Patterns are there for tools.
    const reported = new Set(rules.map(({ path }) => fieldOf(path)));
    const rest = shape.filter(({ pattern, path }) => pattern !== true || !reported.has(fieldOf(path)));
    return { object: value, problems: [...rest, ...rules] };
  };
}

function versionProblems(given: unknown, wanted: string): FieldProblem[] {
  return given === wanted
    ? []
    : [
        {
          path: ["apiVersion"],
          message: `there is no version "${String(given)}" of this kind; write ${wanted}`,
        },
      ];
}
