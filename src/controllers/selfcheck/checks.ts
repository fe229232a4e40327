import type { Clock } from "../../clock.ts";
import { Places } from "../../fairness/places.ts";
import type { Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import { Host } from "./host.ts";
import type { Prober } from "./probe.ts";
import type { ProbeTarget } from "./target.ts";
import {
  FAILURES_ALLOWED,
  LOADING_FAILURES,
  newCheck,
  note,
  type ProbeResult,
  passed,
  problemOf,
  type RouteCheck,
  retarget,
  type UrlVerdict,
  verdictOf,
} from "./verdict.ts";

/**
 * One random route of each host is probed this often; sooner while the host fails, so that recovery is seen. With three failures
 * in a row a host that fails is told of within a minute.
 */
const HOST_INTERVAL_MS = 30_000;
const FAILING_HOST_INTERVAL_MS = 5_000;
const FIRST_RETRY_MS = 250;
/** At most this often a host is sent the longest text that there is. */
const LONG_EVERY_MS = 25_000;
const PROBES_AT_ONCE = 16;

interface WatchedRoute {
  target: ProbeTarget;
  check: RouteCheck;
  host: string;
  /** A loop is at work on this route until it passed. */
  running: boolean;
}

export interface ChecksOptions {
  prober: Prober;
  clock: Clock;
  log: Log;
  /** When a signed text of this route was last accepted, where that is known. */
  lastAcceptedTextMs(key: string): number | undefined;
  /** The verdict on this route may have changed. */
  onChange(key: string): void;
  random?: () => number;
}

/**
 * Proves that the way from the public URL to the receiver works. A new or changed route is probed until it passed three times
 * in a row; from then on one random route of each host, every half minute, stands for all of them. Only a leader probes, and
 * what it found ends with its term.
 */
export class Checks {
  readonly #options: ChecksOptions;
  readonly #routes = new Map<string, WatchedRoute>();
  readonly #hosts = new Map<string, Host>();
  readonly #stop = new AbortController();
  readonly #places = new Places(PROBES_AT_ONCE);
  /** Who waits for a route to settle, by the route's key. */
  readonly #listeners = new Map<string, Set<() => void>>();
  /** When the longest text last got through to a host. */
  readonly #longAtMs = new Map<string, number>();
  #term: Pick<Term, "signal" | "remainingMs"> | undefined;

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  /** Probes until the term ends; before the first one nothing is. */
  begin(term: Pick<Term, "signal" | "remainingMs">) {
    this.#forgetAll();
    const signal = AbortSignal.any([term.signal, this.#stop.signal]);
    this.#term = { signal, remainingMs: () => term.remainingMs() };
    signal.addEventListener("abort", () => this.#forgetAll(), { once: true });
  }

  /** Sees to it that this generation of the route gets checked. Cheap when nothing changed. */
  want(key: string, target: ProbeTarget, generation: number) {
    if (this.#term === undefined) return;
    const known = this.#routes.get(key);
    const moved = known !== undefined && known.target.url !== target.url;
    if (known === undefined || moved) {
      if (moved) this.#leaveHost(key, known);
      const watched: WatchedRoute = {
        target,
        check: newCheck(generation),
        host: new URL(target.url).host,
        running: false,
      };
      this.#routes.set(key, watched);
      this.#joinHost(key, watched);
      void this.#run(key, watched);
      return;
    }
    if (known.check.generation === generation) return;
    known.target = target;
    known.check = retarget(known.check, generation);
    void this.#run(key, known);
  }

  forget(key: string) {
    const known = this.#routes.get(key);
    if (known === undefined) return;
    this.#routes.delete(key);
    this.#leaveHost(key, known);
  }

  /** Has this very generation, or a later one, answered often enough that a number may be pointed at it? */
  passed(key: string, generation: number): boolean {
    const known = this.#routes.get(key);
    return known !== undefined && known.check.generation >= generation && passed(known.check);
  }

  /** The generation that the receivers have proven to know; undefined before the first pass. */
  provenGeneration(key: string): number | undefined {
    const known = this.#routes.get(key);
    return known !== undefined && passed(known.check) ? known.check.generation : undefined;
  }

  verdict(key: string): UrlVerdict {
    const known = this.#routes.get(key);
    if (known === undefined) return { status: "Unknown" };
    const { clock, lastAcceptedTextMs } = this.#options;
    const lastText = lastAcceptedTextMs(key);
    const host = this.#hosts.get(known.host);
    const lastFailure = host && failureOf(host);
    if (lastFailure !== undefined) {
      // Three on a route that had passed are not a route on its way any more.
      const failures = FAILURES_ALLOWED + LOADING_FAILURES;
      const failing: RouteCheck = { ...known.check, proven: false, failures, lastFailure };
      return verdictOf(failing, lastText, clock.now());
    }
    return verdictOf(known.check, lastText, clock.now());
  }

  /** Resolves when the newest generation has passed or the verdict is False, at the latest after `ms`. */
  async firstVerdict(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const listener = () => {
      const known = this.#routes.get(key);
      if (known === undefined || passed(known.check) || this.verdict(key).status === "False") done.abort();
    };
    listener();
    const term = this.#term;
    if (done.signal.aborted || term === undefined) return;
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    try {
      await this.#options.clock.sleep(ms, AbortSignal.any([signal, done.signal, term.signal]));
    } catch {
      // Settled, or the caller is stopping; it looks at its own signal.
    } finally {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    }
  }

  stop() {
    this.#stop.abort(new Error("self-checks stopped"));
  }

  #forgetAll() {
    this.#term = undefined;
    for (const { cancel } of this.#hosts.values()) cancel();
    this.#routes.clear();
    this.#hosts.clear();
    this.#longAtMs.clear();
  }

  async #run(key: string, watched: WatchedRoute) {
    const term = this.#term;
    const host = this.#hosts.get(watched.host);
    if (watched.running || term === undefined || host === undefined) return;
    watched.running = true;
    let wait = FIRST_RETRY_MS;
    try {
      while (this.#routes.get(key) === watched && !passed(watched.check)) {
        const before = this.verdict(key);
        const result = await this.#probe(watched, term);
        if (result === undefined) return;
        watched.check = note(watched.check, result, this.#options.clock.now());
        host.observe(problemOf(watched.check, result));
        this.#tell(key);
        if (passed(watched.check) || changed(before, this.verdict(key))) this.#options.onChange(key);
        const soon = watched.check.passes > 0 || (await host.pause(key, wait, term.signal));
        wait = soon ? FIRST_RETRY_MS : wait * 2;
      }
    } catch (error) {
      if (!term.signal.aborted) this.#options.log.error({ err: error }, "self-check ended by an error");
    } finally {
      watched.running = false;
      host.done(key);
    }
  }

  #tell(key: string) {
    for (const listener of this.#listeners.get(key) ?? []) listener();
  }

  #joinHost(key: string, watched: WatchedRoute) {
    let host = this.#hosts.get(watched.host);
    if (host === undefined) {
      const { clock, log, random = Math.random } = this.#options;
      host = new Host({ name: watched.host, clock, log, random });
      this.#hosts.set(watched.host, host);
      this.#armHost(watched.host, host, HOST_INTERVAL_MS);
    }
    host.routes.add(key);
  }

  #leaveHost(key: string, watched: WatchedRoute) {
    const host = this.#hosts.get(watched.host);
    host?.routes.delete(key);
    if (host === undefined || host.routes.size > 0) return;
    host.cancel();
    this.#hosts.delete(watched.host);
  }

  #armHost(name: string, host: Host, ms: number) {
    const { clock, random = Math.random } = this.#options;
    host.cancel = clock.after(ms * (0.9 + 0.2 * random()), () => void this.#checkHost(name, host));
  }

  async #checkHost(name: string, host: Host) {
    const { clock, random = Math.random, onChange } = this.#options;
    const term = this.#term;
    if (term === undefined) return;
    // Only routes that have passed stand for the host: one that is still loading would blame it unjustly.
    const candidates = [...host.routes].filter((key) => this.#routes.get(key)?.check.proven === true);
    const key = candidates[Math.floor(random() * candidates.length)];
    const watched = key === undefined ? undefined : this.#routes.get(key);
    if (watched !== undefined) {
      const before = failureOf(host);
      const result = await this.#probe(watched, term);
      if (result === undefined || this.#hosts.get(name) !== host) return;
      const problem = problemOf(watched.check, result);
      host.failures = problem === undefined ? 0 : host.failures + 1;
      if (problem !== undefined) host.lastFailure = { ...problem, atMs: clock.now() };
      host.observe(problem);
      if (failureOf(host)?.message !== before?.message)
        for (const each of host.routes) {
          this.#tell(each);
          onChange(each);
        }
    }
    this.#armHost(name, host, host.failures > 0 ? FAILING_HOST_INTERVAL_MS : HOST_INTERVAL_MS);
  }

  /** Undefined when the term ended meanwhile: the answer, if there is one, tells nothing. */
  async #probe(
    { target, host }: WatchedRoute,
    term: Pick<Term, "signal" | "remainingMs">,
  ): Promise<ProbeResult | undefined> {
    return await this.#places.with({ tenant: target.namespaceUid }, async () => {
      // A process that was frozen may get here before it has noticed that its term is over.
      if (term.remainingMs() <= 0 || term.signal.aborted) return undefined;
      const { clock, prober } = this.#options;
      // The longest text costs more than all others, and what bounds bodies does so for the whole host.
      const long =
        clock.monotonic() - (this.#longAtMs.get(host) ?? Number.NEGATIVE_INFINITY) >= LONG_EVERY_MS;
      const result = await prober.probe(target, { long }, term.signal);
      if (long && result.kind === "answered" && result.problem === undefined)
        this.#longAtMs.set(host, clock.monotonic());
      return term.signal.aborted ? undefined : result;
    });
  }
}

/** What stands for all routes of a host that failed often enough. */
const failureOf = ({ failures, lastFailure }: Host) =>
  failures >= FAILURES_ALLOWED ? lastFailure : undefined;

function changed(a: UrlVerdict, b: UrlVerdict): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}
