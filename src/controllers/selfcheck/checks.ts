/**
 * The self-check: it finds out whether a text that Twilio posts to the public URL reaches the receiver with a signature
 * that verifies. The operator sends such texts itself, to the same public URL, because nothing inside the cluster shows
 * what DNS, CDN, firewall and ingress do to a request (ADR 24). A number is pointed at the URL only after its route has
 * passed (ADR 14). With ten thousand routes on one host the self-check would be the largest client of the receiver, so
 * routes share what they learn of their host.
 */

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
 * How often one random route of each host is probed. A failing host is probed more often, so that its recovery is
 * seen soon. At these intervals a host that fails is reported after three failures in a row, within a minute.
 */
const HOST_INTERVAL_MS = 30_000;
const FAILING_HOST_INTERVAL_MS = 5_000;
/**
 * The first pause between two probes of a new route that does not pass; each further pause is twice as long. After a
 * route was written to a Secret it takes some tenths of a second until the receivers have it.
 */
const FIRST_RETRY_MS = 250;
/**
 * When the longest text has got through to a host, it is sent to that host again only after this time. So it is sent in
 * each regular check of the host, and not for each new route.
 */
const LONG_EVERY_MS = 25_000;
/** How many probes may run at a time, over all hosts. The limit leaves capacity of the receiver for real texts. */
const PROBES_AT_ONCE = 16;

/** A route that is being checked. */
interface WatchedRoute {
  target: ProbeTarget;
  check: RouteCheck;
  host: string;
  /** Whether a loop is probing this route. The loop goes on until the route passes. */
  running: boolean;
}

/** The prober, and the parts that get the verdicts. */
export interface ChecksOptions {
  prober: Prober;
  clock: Clock;
  log: Log;
  /** When a signed text of this route was last accepted, if that is known. A real text proves more than a probe. */
  lastAcceptedTextMs(key: string): number | undefined;
  /** Called when the verdict on this route may have changed. */
  onChange(key: string): void;
  random?: () => number;
}

/**
 * Proves that requests to the public URL reach the receiver. A new or changed route is probed until it has passed
 * three times in a row, because there are several receivers and each learns of a route at its own time. From then on
 * one random route of each host is probed in place of all its routes. Only a leader probes, and it forgets its findings
 * when its term ends.
 */
export class Checks {
  readonly #options: ChecksOptions;
  readonly #routes = new Map<string, WatchedRoute>();
  readonly #hosts = new Map<string, Host>();
  readonly #stop = new AbortController();
  readonly #places = new Places(PROBES_AT_ONCE);
  /** Callers that wait for a first verdict, by the route's key. */
  readonly #listeners = new Map<string, Set<() => void>>();
  /** When the longest text last got through to a host. */
  readonly #longAtMs = new Map<string, number>();
  #term: Pick<Term, "signal" | "remainingMs"> | undefined;

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  /**
   * Begins a term of leadership: routes are probed until it ends. Outside of a term nothing is probed, because another
   * replica does it.
   */
  begin(term: Pick<Term, "signal" | "remainingMs">) {
    this.#forgetAll();
    const signal = AbortSignal.any([term.signal, this.#stop.signal]);
    this.#term = { signal, remainingMs: () => term.remainingMs() };
    signal.addEventListener("abort", () => this.#forgetAll(), { once: true });
  }

  /** Makes sure that this generation of the route gets checked. A call costs little when nothing has changed. */
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
    // Only the generation has changed, not the URL, so the URL stays proven. Probes must only show that the receivers
    // know the new generation.
    known.target = target;
    known.check = retarget(known.check, generation);
    void this.#run(key, known);
  }

  /** Stops checking a route that is gone. */
  forget(key: string) {
    const known = this.#routes.get(key);
    if (known === undefined) return;
    this.#routes.delete(key);
    this.#leaveHost(key, known);
  }

  /**
   * Whether enough probes have passed for this generation of the route, or for a later one. If so, a number may be
   * pointed at the URL.
   */
  passed(key: string, generation: number): boolean {
    const known = this.#routes.get(key);
    return known !== undefined && known.check.generation >= generation && passed(known.check);
  }

  /**
   * The newest generation of the route, if probes have shown that the receivers know it. Undefined if they have not.
   */
  provenGeneration(key: string): number | undefined {
    const known = this.#routes.get(key);
    return known !== undefined && passed(known.check) ? known.check.generation : undefined;
  }

  /**
   * What is known of the URL of the route: the result of its host if the host fails, otherwise the result of the
   * route's own probes. Sends no request.
   */
  verdict(key: string): UrlVerdict {
    const known = this.#routes.get(key);
    if (known === undefined) return { status: "Unknown" };
    const { clock, lastAcceptedTextMs } = this.#options;
    const lastText = lastAcceptedTextMs(key);
    const host = this.#hosts.get(known.host);
    const lastFailure = host && failureOf(host);
    if (lastFailure !== undefined) {
      // While a new route fails, `verdictOf` waits for some failures before it gives the verdict False, because the
      // receivers may not have the route yet. A failing host had worked before, so the verdict must not wait. Therefore
      // `verdictOf` is given a number of failures that is above every limit.
      const failures = FAILURES_ALLOWED + LOADING_FAILURES;
      const failing: RouteCheck = { ...known.check, proven: false, failures, lastFailure };
      return verdictOf(failing, lastText, clock.now());
    }
    return verdictOf(known.check, lastText, clock.now());
  }

  /**
   * Resolves when the newest generation of the route has passed or the verdict is False, and after `ms` at the latest.
   */
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
      // The wait has ended early because the verdict is known, the term is over, or `signal` aborted. Whoever called
      // `firstVerdict` must check `signal`.
    } finally {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    }
  }

  stop() {
    this.#stop.abort(new Error("self-checks stopped"));
  }

  /**
   * Forgets all findings at the end of a term: the next leader may run elsewhere in the network, where other findings
   * are true.
   */
  #forgetAll() {
    this.#term = undefined;
    for (const { cancel } of this.#hosts.values()) cancel();
    this.#routes.clear();
    this.#hosts.clear();
    this.#longAtMs.clear();
  }

  /** Probes one route until it has passed. A route never has two such loops at a time. */
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
        // After a probe that passed, the next probe follows immediately. After a probe that failed the loop waits, or
        // goes on as soon as another route of the same host passes.
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

  /** Wakes the callers that wait for this route. */
  #tell(key: string) {
    for (const listener of this.#listeners.get(key) ?? []) listener();
  }

  /** Adds a route to its host. The first route starts the regular checks of the host. */
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

  /** Removes a route from its host. The last route ends the regular checks of the host. */
  #leaveHost(key: string, watched: WatchedRoute) {
    const host = this.#hosts.get(watched.host);
    host?.routes.delete(key);
    if (host === undefined || host.routes.size > 0) return;
    host.cancel();
    this.#hosts.delete(watched.host);
  }

  /**
   * Schedules the next regular check of a host. The interval varies by 10 % either way, so that not all hosts are
   * probed at the same moment.
   */
  #armHost(name: string, host: Host, ms: number) {
    const { clock, random = Math.random } = this.#options;
    host.cancel = clock.after(ms * (0.9 + 0.2 * random()), () => void this.#checkHost(name, host));
  }

  async #checkHost(name: string, host: Host) {
    const { clock, random = Math.random, onChange } = this.#options;
    const term = this.#term;
    if (term === undefined) return;
    // Only a route that has passed may be probed for the whole host. A route that the receivers do not know yet would
    // make the host look broken.
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
      // The verdict on the host is a part of the verdict on each of its routes, so the listeners of all these routes
      // are called.
      if (failureOf(host)?.message !== before?.message)
        for (const each of host.routes) {
          this.#tell(each);
          onChange(each);
        }
    }
    this.#armHost(name, host, host.failures > 0 ? FAILING_HOST_INTERVAL_MS : HOST_INTERVAL_MS);
  }

  /**
   * Sends one probe. Undefined when the term ended before the answer came: the answer then says nothing about the next
   * term.
   */
  async #probe(
    { target, host }: WatchedRoute,
    term: Pick<Term, "signal" | "remainingMs">,
  ): Promise<ProbeResult | undefined> {
    return await this.#places.with({ tenant: target.namespaceUid }, async () => {
      // A process that was frozen may get here before it has noticed that its term is over. So the remaining time of
      // the Lease decides whether it may send a probe.
      if (term.remainingMs() <= 0 || term.signal.aborted) return undefined;
      const { clock, prober } = this.#options;
      // The longest text is sent once for the whole host: it costs more than all other probes together. A limit on
      // the size of bodies applies to the whole host anyway.
      const long =
        clock.monotonic() - (this.#longAtMs.get(host) ?? Number.NEGATIVE_INFINITY) >= LONG_EVERY_MS;
      const result = await prober.probe(target, { long }, term.signal);
      if (long && result.kind === "answered" && result.problem === undefined)
        this.#longAtMs.set(host, clock.monotonic());
      return term.signal.aborted ? undefined : result;
    });
  }
}

/** The failure that counts for all routes of a host, once the host has failed often enough. */
const failureOf = ({ failures, lastFailure }: Host) =>
  failures >= FAILURES_ALLOWED ? lastFailure : undefined;

function changed(a: UrlVerdict, b: UrlVerdict): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}
