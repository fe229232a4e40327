import type { OperatingHours, SmsNumber, WorkStream } from "../api/index.ts";
import { RuleJudge } from "../rules/judge.ts";
import type { RuleProblem } from "../rules/problems.ts";
import { acrossProblems, type GivenObjects, secretKeysOf } from "./across.ts";
import { type FieldPath, type Finding, fieldOf } from "./finding.ts";
import { type KindChecker, readKinds } from "./object.ts";
import type { Parsed, Source } from "./source.ts";
import { isObject } from "./structure.ts";

/** The result of a validation. */
export interface ValidationResult {
  /** The findings, sorted by file (in the order given) and line. */
  findings: Finding[];
  /** How many objects of the operator's kinds were checked. Objects of other kinds are ignored. */
  objects: number;
}

/** An object of one of the operator's kinds, with its place in the files. */
interface Checked {
  source: Source;
  kind: string;
  namespace: string | undefined;
  name: string | undefined;
  object: Record<string, unknown>;
  good: boolean;
}

/**
 * Checks files as the API server and then the operator would. `old` contains the objects that are in the cluster. With them, forbidden
 * changes are found, too.
 */
export async function validate(
  files: readonly Parsed[],
  old: readonly Parsed[] = [],
): Promise<ValidationResult> {
  const kinds = readKinds();
  const before = new Map(
    old.flatMap(({ sources }) => sources).map(({ object }) => [identityOf(object), object]),
  );
  const findings: Finding[] = [...files, ...old].flatMap(({ problems }) => problems.map(unreadable));
  findings.push(...files.filter(holdsNothing).map(({ file }) => empty(file)));
  const checked: Checked[] = [];
  for (const source of files.flatMap(({ sources }) => sources))
    checkOne(source, { kinds, before, checked, findings });
  const given = await givenOf(files, checked);
  // A finding across objects names only its object. This map gives the object's place in the files.
  const places = new Map(checked.map((one) => [one.object as unknown, one]));
  for (const { object, severity, path, message, reason } of acrossProblems(given)) {
    const finding = findingOf(places.get(object)!, severity, path, message);
    findings.push(reason === undefined ? finding : { ...finding, reason });
  }
  return { findings: sorted(findings, files), objects: checked.length };
}

const unreadable = ({ file, document, line, message }: Parsed["problems"][number]): Finding => ({
  severity: "error",
  file,
  document,
  line,
  field: "",
  message,
});

/** Whether a file has no object. This is an error: often the command that should have written the file has failed. */
const holdsNothing = ({ sources, problems }: Parsed) => sources.length === 0 && problems.length === 0;
const empty = (file: string): Finding => ({
  severity: "error",
  file,
  document: 1,
  line: 1,
  field: "",
  message: "the file contains no object: is it the right file, and did the command that wrote it succeed?",
});

/** What the checks of all files share and collect. */
interface CheckRun {
  kinds: Map<string, KindChecker>;
  before: Map<string, unknown>;
  checked: Checked[];
  findings: Finding[];
}

/** Checks one object by itself, and adds it to `checked` if it is of one of the operator's kinds. */
function checkOne(source: Source, { kinds, before, checked, findings }: CheckRun) {
  const raw = source.object;
  const kind = isObject(raw) && isOurs(raw.apiVersion) ? kinds.get(String(raw.kind)) : undefined;
  if (!isObject(raw) || kind === undefined) {
    if (!isObject(raw))
      findings.push({
        ...placed(source),
        field: "",
        message: "this is not an object: write apiVersion, kind, metadata and spec",
      });
    else if (isOurs(raw.apiVersion))
      findings.push({ ...placed(source), field: "kind", message: unknownKind(raw.kind, kinds) });
    return;
  }
  // An invalid object is checked further, so that a user sees all problems at once.
  const { object, problems } = kind.check(raw, { old: before.get(identityOf(raw)), typed: source.typed });
  const one: Checked = { source, kind: kind.kind, ...identity(raw), object, good: problems.length === 0 };
  for (const { path, message } of problems) findings.push(findingOf(one, "error", path, message));
  if (raw.status !== undefined)
    findings.push(
      findingOf(
        one,
        "warning",
        ["status"],
        "only the operator writes status, and status in a file is ignored: remove it",
      ),
    );
  const twin = checked.find(
    (other) => one.name !== undefined && identityOf(other.source.object) === identityOf(raw),
  );
  if (twin !== undefined)
    findings.push(
      findingOf(
        one,
        "error",
        ["metadata", "name"],
        `the same object is also in ${twin.source.file}, line ${twin.source.lineOf([])}: remove one of the two`,
      ),
    );
  checked.push(one);
}

const isOurs = (apiVersion: unknown) =>
  typeof apiVersion === "string" && apiVersion.startsWith("smschannel.dev/");
const unknownKind = (kind: unknown, kinds: Map<string, KindChecker>) =>
  `there is no kind "${String(kind)}": write ${[...kinds.keys()].join(", ")}`;
const placed = (source: Source) => ({
  severity: "error" as const,
  file: source.file,
  document: source.document,
  line: source.lineOf([]),
});

function identity(object: Record<string, unknown>): {
  namespace: string | undefined;
  name: string | undefined;
} {
  const { namespace, name } = isObject(object.metadata) ? object.metadata : {};
  return {
    namespace: typeof namespace === "string" ? namespace : undefined,
    name: typeof name === "string" ? name : undefined,
  };
}

/** Identifies an object by kind, namespace and name, to find duplicates and the object in the cluster. */
function identityOf(object: unknown): string {
  if (!isObject(object)) return "";
  const { namespace, name } = identity(object);
  return JSON.stringify([object.kind, namespace ?? "", name]);
}

function findingOf(one: Checked, severity: Finding["severity"], path: FieldPath, message: string): Finding {
  const { source, kind, namespace, name } = one;
  return {
    severity,
    file: source.file,
    document: source.document,
    line: source.lineOf(path),
    kind,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    field: fieldOf(path),
    message,
  };
}

/**
 * The objects that are compared with each other. Only objects that are valid by themselves are included, so that the comparison can rely on
 * their types.
 */
async function givenOf(files: readonly Parsed[], checked: Checked[]): Promise<GivenObjects> {
  const of = <T>(kind: string) =>
    checked.filter((one) => one.kind === kind && one.good).map(({ object }) => object as T);
  const streams = of<WorkStream>("WorkStream");
  return {
    streams,
    isThere: (kind, name, namespace = "") =>
      checked.some((one) => one.kind === kind && one.name === name && (one.namespace ?? "") === namespace),
    numbers: of<SmsNumber>("SmsNumber"),
    hours: of<OperatingHours>("OperatingHours"),
    secrets: files
      .flatMap(({ sources }) => sources)
      .flatMap(({ object }) => (isObject(object) ? (secretKeysOf(object) ?? []) : [])),
    ruleProblems: await judged(streams),
  };
}

/** Checks the routing rules with the same limits as the operator. */
async function judged(streams: readonly WorkStream[]): Promise<GivenObjects["ruleProblems"]> {
  const judge = new RuleJudge();
  try {
    const problems = new Map<WorkStream, RuleProblem[]>();
    for (const stream of streams) {
      const { routingRules = [] } = stream.spec;
      problems.set(stream, (await judge.judge(stream.metadata.namespace ?? "", routingRules)).problems);
    }
    return problems;
  } finally {
    await judge.stop();
  }
}

/** Sorts findings as a person reads the files: in the given order of the files, from top to bottom. */
function sorted(findings: Finding[], files: readonly Parsed[]): Finding[] {
  const order = new Map(
    files.flatMap(({ sources, problems }) => [...sources, ...problems]).map(({ file }, i) => [file, i]),
  );
  return findings.toSorted((a, b) => (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0) || a.line - b.line);
}
