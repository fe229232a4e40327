import { type Crd, readCrds } from "../api/crds.ts";
import { celCheck } from "./cel.ts";
import { type FieldProblem, fieldOf, type Typed } from "./finding.ts";
import { metadataProblems } from "./metadata.ts";
import { schemaCheck } from "./schema.ts";
import { duplicates, isObject, normalise, unknownFields } from "./structure.ts";

/** The result of checking one object by itself. */
export interface ObjectCheck {
  /** The object as the API server would store it. */
  object: Record<string, unknown>;
  problems: FieldProblem[];
}

interface ObjectCheckOptions {
  /** The object that is in the cluster, if this is an update. */
  old?: unknown;
  /** Looks up scalars as they were typed. The messages quote them. */
  typed?: Typed;
}

/** A kind with its compiled validation rules. */
export interface KindChecker extends Crd {
  check(object: Record<string, unknown>, options?: ObjectCheckOptions): ObjectCheck;
}

/** The operator's kinds by name, read from crds/. */
export function readKinds(): Map<string, KindChecker> {
  return new Map(readCrds().map((crd) => [crd.kind, { ...crd, check: checkOf(crd) }]));
}

function checkOf({ group, version, schema }: Crd): KindChecker["check"] {
  // The API server ignores the status in a file, because status is a subresource. The metadata is checked separately.
  const checkSchema = schemaCheck(schema);
  const checkCel = celCheck(schema);
  // In this schema any field of metadata is allowed, because metadataProblems checks the metadata.
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
    // If a rule and a pattern both fail for a field, only the rule is reported, because its message says more.
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
