import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { ProbeProblem } from "./verdict.ts";

/** The longest pause between two probes of a route that does not pass. */
const LONGEST_RETRY_MS = 30_000;
/**
 * For the first two minutes one route of a host that does not answer is tried at least this often: an installation
 * takes minutes until DNS, certificate and load balancer are there, and a person is watching.
 */
const SCOUT_RETRY_MS = 2_000;
const SCOUTING_MS = 2 * 60_000;
/** When one route has passed, all waiting ones are tried again, but not more often than this. */
const WAKE_EVERY_MS = 2_000;

/** A host, and where its troubles are logged. */
export interface HostOptions {
  name: string;
  clock: Clock;
  log: Log;
  random: () => number;
}

/**
 * What the routes of one host share: whether requests get through to the receiver, and who finds that out. While
 * they do not, one route is tried often, as a scout, and the others ever more rarely: ten thousand routes that all
 * knock at a dead host tell no more than one. As soon as one passes, all waiting ones are tried.
 */
export class Host {
  readonly routes = new Set<string>();
  /** Failures in a row of its regular checks. */
  failures = 0;
  lastFailure: (ProbeProblem & { atMs: number }) | undefined;
  /** Ends the wait for its next regular check. */
  cancel = () => {};
  readonly #options: HostOptions;
  #told: string | undefined;
  #failingSinceMs: number | undefined;
  #scout: string | undefined;
  readonly #waiting = new Set<AbortController>();
  #wokeAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  /** Takes note of what a probe of any of its routes found; undefined: nothing is in the way. */
  observe(problem: ProbeProblem | undefined): void {
    this.#tell(problem);
    if (problem !== undefined) this.#failingSinceMs ??= this.#options.clock.monotonic();
    else if (this.#failingSinceMs !== undefined) {
      this.#failingSinceMs = undefined;
      this.#wake();
    }
  }

  /** Logs each new trouble once, and its end. A new route that is still on its way to the receivers is no trouble. */
  #tell(problem: ProbeProblem | undefined): void {
    const { name, log } = this.#options;
    if (problem?.reason === "RoutesNotLoaded" || problem?.message === this.#told) return;
    this.#told = problem?.message;
    if (problem === undefined) log.info({ host: name }, "self-check passes");
    else log.warn({ host: name, reason: problem.reason, problem: problem.message }, "self-check fails");
  }

  /**
   * A route's wait for its next probe. True when another route passed meanwhile, so that this one may pass now too.
   */
  async pause(key: string, ms: number, signal: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#options;
    const woken = new AbortController();
    this.#scout ??= key;
    this.#waiting.add(woken);
    try {
      const wait = Math.min(ms, this.#longestPause(key)) * (0.75 + 0.5 * random());
      await clock.sleep(wait, AbortSignal.any([signal, woken.signal]));
      return false;
    } catch (error) {
      if (signal.aborted || !woken.signal.aborted) throw error;
      return true;
    } finally {
      this.#waiting.delete(woken);
    }
  }

  /** This route needs no more probes. Another one may become the scout. */
  done(key: string): void {
    if (this.#scout === key) this.#scout = undefined;
  }

  /** The scout of a host that began to fail a moment ago waits least. */
  #longestPause(key: string): number {
    const now = this.#options.clock.monotonic();
    const isNew = now - (this.#failingSinceMs ?? now) < SCOUTING_MS;
    return this.#scout === key && isNew ? SCOUT_RETRY_MS : LONGEST_RETRY_MS;
  }

  #wake(): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#wokeAtMs < WAKE_EVERY_MS) return;
    this.#wokeAtMs = now;
    for (const waiting of this.#waiting) waiting.abort();
  }
}
