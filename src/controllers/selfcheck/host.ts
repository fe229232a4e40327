import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { ProbeProblem } from "./verdict.ts";

/**
 * The longest pause between two probes of a route whose self-check fails, before a quarter is added or taken away at
 * random. 24 s and a quarter are 30 s, so no pause is longer than that.
 */
const LONGEST_RETRY_MS = 24_000;
/**
 * For the first two minutes in which a host does not answer, one of its routes is probed about this often. A new
 * installation takes minutes until DNS, certificate and load balancer work, and a person is watching.
 */
const SCOUT_RETRY_MS = 2_000;
const SCOUTING_MS = 2 * 60_000;
/**
 * When a probe of a host passes for the first time after a failure, all routes of the host that wait for their next
 * probe are probed immediately, but not more often than this.
 */
const WAKE_EVERY_MS = 2_000;

/** A host, and the log in which its problems appear. */
export interface HostOptions {
  name: string;
  clock: Clock;
  log: Log;
  random: () => number;
}

/**
 * What the routes of one host share: whether requests get through to the receiver, and which route finds that out.
 * While no request gets through, one route (the scout) is probed often, and the other routes are probed more and more
 * rarely. Ten thousand routes that all probe a dead host would learn no more than one route. As soon as one route
 * passes, all waiting routes are probed.
 */
export class Host {
  readonly routes = new Set<string>();
  /** How many regular checks of the host have failed in a row. */
  failures = 0;
  lastFailure: (ProbeProblem & { atMs: number }) | undefined;
  /** Cancels the next regular check of the host. */
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

  /** Notes the result of a probe of any route of the host. `undefined` means that no problem was found. */
  observe(problem: ProbeProblem | undefined): void {
    this.#tell(problem);
    if (problem !== undefined) this.#failingSinceMs ??= this.#options.clock.monotonic();
    else if (this.#failingSinceMs !== undefined) {
      this.#failingSinceMs = undefined;
      this.#wake();
    }
  }

  /**
   * Logs each new problem of the host once, and the end of the problem once. It is no problem that the receivers do not
   * know a new route yet.
   */
  #tell(problem: ProbeProblem | undefined): void {
    const { name, log } = this.#options;
    if (problem?.reason === "RoutesNotLoaded" || problem?.message === this.#told) return;
    this.#told = problem?.message;
    if (problem === undefined) log.info({ host: name }, "self-check passes");
    else log.warn({ host: name, reason: problem.reason, problem: problem.message }, "self-check fails");
  }

  /**
   * Waits before the next probe of a route. Returns true when another route of the host passed during the wait, so that
   * this route may pass now too.
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

  /**
   * Call this when a route needs no more probes. If the route was the one of its host that is probed most often (the
   * scout), another route can take its place.
   */
  done(key: string): void {
    if (this.#scout === key) this.#scout = undefined;
  }

  /**
   * The upper limit of the pause between two probes of a route. It is lower for the scout (the one route of a failing
   * host that is probed often) during the first two minutes in which the host fails.
   */
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
