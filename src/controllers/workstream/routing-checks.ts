import { isDeepStrictEqual } from "node:util";
import type { WorkStream } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import { keyOf } from "../../kube/resource.ts";
import type { Log } from "../../log.ts";
import type { RuleJudge } from "../../rules/judge.ts";
import type { RuleProblem } from "../../rules/problems.ts";
import type { RoutingRule } from "../../rules/rules.ts";

/** Who judges the rules, and who hears of late verdicts. */
export interface RoutingChecksOptions {
  judge: Pick<RuleJudge, "judge">;
  clock: Clock;
  log: Log;
  /** A verdict on this stream came after somebody had gone on without it. */
  onChange(key: string): void;
}

/**
 * "Too dear" can be the machine's fault, when it stood still during the measurement. Such a verdict is judged again
 * after this long.
 */
const UNCERTAIN_MS = 3_600_000;

/** The rules of one stream, and what came of judging them. */
interface Check {
  /** The newest spec that has these rules. */
  version: string;
  uid: string | undefined;
  rules: readonly RoutingRule[];
  /** When the verdict is to be judged anew. */
  endsAtMs: number;
  problems: RuleProblem[] | undefined;
  done: Promise<void>;
  /** Somebody went on without the verdict, and must be told when it is there. */
  missed: boolean;
}

/**
 * What is wrong with each stream's routing rules, by the stream's key. Compiling CEL can take long for a rule that
 * is written badly or to do harm, so it is done in a thread (ADR 22), once for each change of the rules, and a
 * reconcile goes on without the verdict when it takes too long.
 */
export class RoutingChecks {
  readonly #options: RoutingChecksOptions;
  readonly #checks = new Map<string, Check>();

  constructor(options: RoutingChecksOptions) {
    this.#options = options;
  }

  /** Sees to it that the rules get judged. Cheap when nothing changed. */
  want(object: WorkStream): void {
    const key = keyOf(object);
    const version = versionOf(object);
    const before = this.#checks.get(key);
    const rules = object.spec.routingRules ?? [];
    const same = before !== undefined && (before.version === version || isAbout(before, object, rules));
    if (same) {
      before.version = version;
      // Keep the new object's rules, although they are equal: the old ones belong to an object that the store has
      // replaced, and would stay in memory beside it.
      before.rules = rules;
    }
    if (same && this.#options.clock.now() < before.endsAtMs) return;
    const check: Check = {
      version,
      uid: object.metadata.uid,
      rules,
      endsAtMs: Number.POSITIVE_INFINITY,
      // Until the new verdict is there, the old one of the same rules holds.
      problems: same ? before.problems : undefined,
      done: Promise.resolve(),
      missed: false,
    };
    this.#checks.set(key, check);
    if (rules.length === 0) check.problems = [];
    else check.done = this.#run(key, check, object);
  }

  /** Resolves when the rules are judged, after `ms` at the latest. */
  async judged(object: WorkStream, ms: number, signal: AbortSignal): Promise<void> {
    const check = this.#checks.get(keyOf(object));
    if (check === undefined || check.problems !== undefined) return;
    const enough = new AbortController();
    const end = AbortSignal.any([enough.signal, signal]);
    await Promise.race([check.done, this.#options.clock.sleep(ms, end).catch(() => undefined)]);
    enough.abort();
  }

  /** Undefined while they are not judged; `onChange` tells when they are. */
  problems(object: WorkStream): readonly RuleProblem[] | undefined {
    const check = this.#checks.get(keyOf(object));
    if (check?.version !== versionOf(object)) return undefined;
    check.missed = check.problems === undefined;
    return check.problems;
  }

  /** The stream is gone. */
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
      // The next attempt at the stream begins anew.
      if (this.#checks.get(key) === check) this.#checks.delete(key);
      return;
    }
    // Only where somebody waits: waking each stream for each verdict would double the reconciles at a start.
    if (check.missed && this.#checks.get(key) === check) onChange(key);
  }
}

/** Are these the same rules? Most edits of a stream leave them as they are. */
const isAbout = (check: Check, { metadata }: WorkStream, rules: readonly RoutingRule[]) =>
  check.uid === metadata.uid && isDeepStrictEqual(check.rules, rules);

/**
 * A spec changes only together with the generation. The UID is part of it, as a new object of the same name starts
 * at generation 1 again.
 */
const versionOf = ({ metadata }: WorkStream) => `${metadata.uid} ${metadata.generation}`;
