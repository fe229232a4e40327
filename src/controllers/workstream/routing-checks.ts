import { isDeepStrictEqual } from "node:util";
import type { WorkStream } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import { keyOf } from "../../kube/resource.ts";
import type { Log } from "../../log.ts";
import type { RuleJudge } from "../../rules/judge.ts";
import type { RuleProblem } from "../../rules/problems.ts";
import type { RoutingRule } from "../../rules/rules.ts";

/** The judge of routing rules, and the callback for verdicts that come late. */
export interface RoutingChecksOptions {
  judge: Pick<RuleJudge, "judge">;
  clock: Clock;
  log: Log;
  /**
   * Called with a WorkStream's key when the verdict on its rules comes after an attempt has finished without the
   * verdict.
   */
  onChange(key: string): void;
}

/**
 * The verdict that a rule costs too much time can be wrong, if the machine paused during the measurement. Such a
 * rule is judged again after this long.
 */
const UNCERTAIN_MS = 3_600_000;

/** The routing rules of one WorkStream, and the result of judging them. */
interface Check {
  /** UID and generation of the newest spec that has these rules. */
  version: string;
  uid: string | undefined;
  rules: readonly RoutingRule[];
  /** The time at which the rules must be judged again. */
  endsAtMs: number;
  problems: RuleProblem[] | undefined;
  done: Promise<void>;
  /**
   * True when an attempt went on without the verdict, so that the WorkStream must be woken when the verdict is
   * there.
   */
  missed: boolean;
}

/**
 * The problems of each WorkStream's routing rules, by the WorkStream's key. Compiling CEL can take long for a rule
 * that is badly written or malicious. So it runs in a thread (ADR 22), once for each change of the rules. A
 * reconcile that has waited too long goes on without the verdict.
 */
export class RoutingChecks {
  readonly #options: RoutingChecksOptions;
  readonly #checks = new Map<string, Check>();

  constructor(options: RoutingChecksOptions) {
    this.#options = options;
  }

  /** Makes sure that the WorkStream's rules are judged. Cheap when nothing changed. */
  want(object: WorkStream): void {
    const key = keyOf(object);
    const version = versionOf(object);
    const before = this.#checks.get(key);
    const rules = object.spec.routingRules ?? [];
    const same = before !== undefined && (before.version === version || isAbout(before, object, rules));
    if (same) {
      before.version = version;
      // Keep the new object's rules although they are equal. The old rules belong to an object that the store has
      // replaced, and would stay in memory as a second copy.
      before.rules = rules;
    }
    if (same && this.#options.clock.now() < before.endsAtMs) return;
    const check: Check = {
      version,
      uid: object.metadata.uid,
      rules,
      endsAtMs: Number.POSITIVE_INFINITY,
      // Until there is a new verdict, the old verdict on the same rules holds.
      problems: same ? before.problems : undefined,
      done: Promise.resolve(),
      missed: false,
    };
    this.#checks.set(key, check);
    if (rules.length === 0) check.problems = [];
    else check.done = this.#run(key, check, object);
  }

  /** Waits until the rules are judged, but not longer than `ms`. */
  async judged(object: WorkStream, ms: number, signal: AbortSignal): Promise<void> {
    const check = this.#checks.get(keyOf(object));
    if (check === undefined || check.problems !== undefined) return;
    const enough = new AbortController();
    const end = AbortSignal.any([enough.signal, signal]);
    await Promise.race([check.done, this.#options.clock.sleep(ms, end).catch(() => undefined)]);
    enough.abort();
  }

  /**
   * Returns the problems of the WorkStream's rules. Undefined while the rules are not judged; `onChange` is called
   * when they are.
   */
  problems(object: WorkStream): readonly RuleProblem[] | undefined {
    const check = this.#checks.get(keyOf(object));
    if (check?.version !== versionOf(object)) return undefined;
    check.missed = check.problems === undefined;
    return check.problems;
  }

  /** Forgets a WorkStream that was deleted. */
  forget(key: string): void {
    this.#checks.delete(key);
  }

  async #run(key: string, check: Check, { metadata, spec }: WorkStream): Promise<void> {
    const { judge, clock, log, onChange } = this.#options;
    try {
      const { problems, certain } = await judge.judge(metadata.namespace!, spec.routingRules ?? []);
      check.problems = problems;
      if (!certain) check.endsAtMs = clock.now() + UNCERTAIN_MS;
    } catch (error) {
      log.warn(
        { err: error, namespace: metadata.namespace, name: metadata.name },
        "routing rules could not be judged, will retry",
      );
      // The failed check is forgotten, so that the next attempt at the WorkStream starts a new check.
      if (this.#checks.get(key) === check) this.#checks.delete(key);
      return;
    }
    // Wake the WorkStream only if an attempt missed the verdict. Waking each WorkStream for each verdict would
    // double the reconciles at a start.
    if (check.missed && this.#checks.get(key) === check) onChange(key);
  }
}

/**
 * Is the check about these rules, and about this very WorkStream? If so, it stays in use: most edits of a WorkStream
 * do not change its rules.
 */
const isAbout = (check: Check, { metadata }: WorkStream, rules: readonly RoutingRule[]) =>
  check.uid === metadata.uid && isDeepStrictEqual(check.rules, rules);

/**
 * Identifies a version of the spec: a spec only changes together with the generation. The UID is included because a
 * new object with the same name starts at generation 1 again.
 */
const versionOf = ({ metadata }: WorkStream) => `${metadata.uid} ${metadata.generation}`;
