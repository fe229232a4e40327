/**
 * Leader election: of several replicas one works, and the others stand by.
 *
 *     const elector = new LeaderElector({ client, namespace, name, identity, clock, log });
 *     elector.onTerm((term) => …);        // a stretch of leadership, with a signal that aborts at its end
 *     elector.start();
 *     term.assertTime(10_000);            // before each call to the outside, with the call's own time-out; a client that
 *                                         // was made by `whileLeading` does so itself
 *     await elector.stop();               // stop what works under the term first
 *
 * A Lease alone is no fence: an outside API does not know it, and accepts a call from a process that no longer leads. What
 * keeps two leaders from acting at once is time. A leader counts from before it sent its last successful renewal, the
 * others from when they saw it, which is later. So the leader's time is over first, if the clocks of both run at the same
 * rate. They need not show the same time. And because a call takes time too, none begins with less left than it may take.
 *
 * The three times are those of Kubernetes' own components: a Lease is good for 15 s, a leader that could not renew it for
 * 10 s stops, and renewals are 2 s apart.
 *
 * https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
 */

import type { Clock } from "../../clock.ts";
import { LeadershipLost, type Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import { type KubeClient, KubeError } from "../client/client.ts";
import { type Lease, leases } from "../resource.ts";
import { decideOnLease, heldLease, NOBODY, type ObservedLease, releasedLease } from "./lease.ts";

export interface LeaderOptions {
  client: KubeClient;
  namespace: string;
  /** The Lease's name. */
  name: string;
  /** Different from every other process's, also from that of a former container in the same pod. */
  identity: string;
  clock: Clock;
  log: Log;
  /** How long the others wait after the last renewal that they saw. Default 15 s. */
  leaseMs?: number;
  /** After this long without a renewal we stop, while the others still wait. Default 10 s. */
  renewDeadlineMs?: number;
  /** Between two renewals, or two looks at another's Lease. Default 2 s. */
  retryMs?: number;
  /**
   * Says from which holders the Lease is taken while they hold it. The term begins when they have certainly stopped.
   * Default: from none; we wait for all of them.
   */
  seize?: (holder: string) => boolean;
  /** Called once for each holder that we wait for, also for `nobody`. */
  onWait?: (holder: string) => void;
  random?: () => number;
}

/**
 * Takes and renews the Lease. Of all processes that use the same Lease at most one has time remaining.
 *
 * A process can be frozen at any point: by SIGSTOP, by a laptop's sleep, by a node without memory. When it wakes up, the
 * code that runs first may be anything, and timers fire later. So nothing relies on a timer: `remainingMs` reads the clock
 * at each call, and the first question after waking up already gets 0.
 */
export class LeaderElector {
  readonly #options: Required<LeaderOptions>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(term: Term) => void>();
  #term: RunningTerm | undefined;
  #lease: Lease | undefined;
  #observed: ObservedLease = { resourceVersion: undefined, sinceMs: 0 };
  #holder: string | undefined;
  /** The holder whose wait was logged last, so that each is logged once. */
  #waitsFor: string | undefined;
  /** There was no Lease when this process first looked: then nobody else uses it, and nobody needs to be held off. */
  #foundNone: boolean | undefined;
  /** No term begins before this: the holder from whom we took the Lease may act until its own time is over. */
  #displacedUntilMs = Number.NEGATIVE_INFINITY;
  #failing = false;
  #running: Promise<void> | undefined;

  constructor(options: LeaderOptions) {
    this.#options = {
      leaseMs: 15_000,
      renewDeadlineMs: 10_000,
      retryMs: 2000,
      seize: () => false,
      onWait: () => {},
      random: Math.random,
      ...options,
    };
    const { leaseMs, renewDeadlineMs, retryMs } = this.#options;
    if (!(leaseMs > renewDeadlineMs && renewDeadlineMs > retryMs))
      throw new Error("a lease must be longer than the renew deadline, and that longer than the retry time");
    // A request begins only with its time-out left of the lease. With a longer one there would never be enough.
    if (options.client.requestTimeoutMs + 2 * retryMs > leaseMs)
      throw new Error("the client's request time-out must be shorter than the lease by two retry times");
  }

  /** The term under way, if any. */
  get term(): Term | undefined {
    return this.#term !== undefined && this.#term.remainingMs() > 0 ? this.#term : undefined;
  }
  get isLeading(): boolean {
    return this.term !== undefined;
  }
  /** The holder of the Lease as last seen. */
  get holder(): string | undefined {
    return this.#holder;
  }
  remainingMs(): number {
    return this.term?.remainingMs() ?? 0;
  }
  assertTime(ms: number): void {
    if (this.remainingMs() < ms)
      throw new LeadershipLost("this process does not lead, or not for long enough");
  }

  /** Calls `listener` at the beginning of each term, and at once when one is under way. Returns a function that removes it. */
  onTerm(listener: (term: Term) => void): () => void {
    this.#listeners.add(listener);
    if (this.term !== undefined) listener(this.term);
    return () => void this.#listeners.delete(listener);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Ends the term and releases the Lease, so that the next leader need not wait until it runs out. Stop what works under
   * the term before: the Lease is renewed until this is called. With `release: false` the Lease is left to run out. With
   * `holdMs` it is kept so that nobody leads for that long; a Lease that this process itself created is deleted instead.
   */
  async stop({ release = true, holdMs }: { release?: boolean; holdMs?: number } = {}): Promise<void> {
    if (this.#stop.signal.aborted) return this.#running;
    this.#stop.abort(new LeadershipLost("stopping"));
    await this.#running;
    const led = this.#term !== undefined;
    this.#end("stopping");
    if (led && release) await this.#release(holdMs);
  }

  async #run(): Promise<void> {
    const { clock, retryMs, random } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#round();
      // Spread by a tenth, or two processes that started together would collide at each try.
      await clock.sleep(retryMs * (1 + random() / 10), signal).catch(() => {});
    }
  }

  async #round(): Promise<void> {
    const { clock, log, renewDeadlineMs, retryMs } = this.#options;
    const within = new AbortController();
    // Two tries must fit before the deadline, and a request that hangs must not outlive the term.
    const limitMs = Math.max(
      retryMs,
      Math.min(renewDeadlineMs / 2, this.#term?.untilDeadlineMs() ?? renewDeadlineMs),
    );
    const disarm = clock.after(limitMs, () => within.abort(new KubeError("no answer in time", TIMED_OUT)));
    try {
      await this.#contend(AbortSignal.any([within.signal, this.#stop.signal]));
      if (this.#failing) log.info("lease can be read and written again");
      this.#failing = false;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // The write may have happened, or somebody else's. Our copy is worth nothing: the next round reads the Lease.
      this.#lease = undefined;
      // Logged once per outage: a line every two seconds would bury everything else. A conflict is no outage; somebody was
      // faster, and the next round sees who.
      const quiet = this.#failing || (error instanceof KubeError && error.reason === "Conflict");
      this.#failing ||= !quiet;
      log[quiet ? "debug" : "warn"]({ err: error }, "lease could not be read or written, will retry");
    } finally {
      disarm();
      if (this.#term !== undefined && this.#term.untilDeadlineMs() <= 0)
        this.#end("the lease could not be renewed");
    }
  }

  async #contend(signal: AbortSignal): Promise<void> {
    const { client, namespace, name, identity, clock } = this.#options;
    // A leader does not read first: its write names the version of its last renewal, so a conflict tells of anybody else.
    if (this.#lease === undefined || this.#term === undefined) {
      const lease = await client.get(leases, { namespace, name }, signal);
      this.#observe(lease);
      this.#foundNone ??= lease === undefined;
    }
    const decision = decideOnLease({
      lease: this.#lease,
      identity,
      observed: this.#observed,
      nowMs: clock.monotonic(),
      wallMs: clock.now(),
      seize: this.#options.seize,
    });
    if (decision.do === "wait") return this.#wait(decision.restMs);
    this.#waitsFor = undefined;
    if (decision.do === "seize") this.#displacedUntilMs = clock.monotonic() + decision.restMs;
    // The term counts from before the request is sent. Nobody can see the renewal earlier than that.
    const from = timesOf(clock);
    const next = heldLease(this.#lease, {
      ...this.#options,
      nowMs: clock.now(),
      newTerm: this.#term === undefined,
    });
    const written =
      decision.do === "create"
        ? await client.create(leases, next, {}, signal)
        : await client.replace(leases, next, {}, signal);
    this.#observe(written);
    // The process may have been frozen between the request and here. Then others may have taken the Lease since.
    if (this.#stop.signal.aborted || elapsedMs(clock, from) >= this.#options.renewDeadlineMs) return;
    if (clock.monotonic() < this.#displacedUntilMs) return;
    if (this.#term === undefined || this.#term.remainingMs() <= 0) this.#begin(from);
    else this.#term.renewed(from);
  }

  /** Logs each holder once: otherwise a replica that stands by looks the same as one that waits for a release to end. */
  #wait(restMs: number): void {
    this.#end("another process took the lease");
    const holder = this.#holder;
    if (holder === undefined || holder === this.#waitsFor) return;
    this.#waitsFor = holder;
    const { log, namespace, name, onWait } = this.#options;
    const lease = `${namespace}/${name}`;
    if (holder === NOBODY)
      log.info(
        { lease, waitSeconds: Math.ceil(restMs / 1000) },
        "waiting: the lease is kept so that nobody leads",
      );
    else log.info({ lease, holder }, "standing by: another process leads");
    onWait(holder);
  }

  #observe(lease: Lease | undefined): void {
    this.#lease = lease;
    this.#holder = lease?.spec?.holderIdentity || undefined;
    const resourceVersion = lease?.metadata.resourceVersion;
    if (resourceVersion !== this.#observed.resourceVersion)
      this.#observed = { resourceVersion, sinceMs: this.#options.clock.monotonic() };
  }

  #begin(from: ClockTimes): void {
    this.#end("a new term begins");
    const term = new RunningTerm(this.#options, from);
    this.#term = term;
    this.#options.log.info({ identity: this.#options.identity }, "leading");
    for (const listener of this.#listeners) listener(term);
  }

  #end(why: string): void {
    if (this.#term === undefined) return;
    this.#term.end(why);
    this.#term = undefined;
    this.#options.log.info({ why }, "no longer leading");
  }

  async #release(holdMs: number | undefined): Promise<void> {
    const { client, clock, log, identity, retryMs } = this.#options;
    const lease = this.#lease;
    if (lease?.spec?.holderIdentity !== identity) return;
    const signal = AbortSignal.timeout(Math.max(retryMs, 1000));
    try {
      if (holdMs !== undefined && this.#foundNone === true) {
        const { uid = "" } = lease.metadata;
        await client.delete(leases, lease.metadata, { uid }, signal);
        log.info("lease deleted: there was none before");
        return;
      }
      await client.replace(leases, releasedLease(lease, { nowMs: clock.now(), holdMs }), {}, signal);
      log.info({ holdMs }, holdMs === undefined ? "lease released" : "lease kept, so that nobody leads");
    } catch (error) {
      log.warn({ err: error }, "lease not released, it runs out by itself");
    }
  }
}

/** What a KubeError says of a request that our own limit ended. */
const TIMED_OUT = { status: 0, reason: "Timeout" };

/**
 * A moment by both clocks. The monotonic clock stands still while a machine sleeps, and the wall clock can be set back, so
 * the elapsed time is that of the one by which more has passed: a mistake can only end a term too early.
 */
interface ClockTimes {
  monotonic: number;
  wall: number;
}
const timesOf = (clock: Clock): ClockTimes => ({ monotonic: clock.monotonic(), wall: clock.now() });
const elapsedMs = (clock: Clock, from: ClockTimes) =>
  Math.max(clock.monotonic() - from.monotonic, clock.now() - from.wall);

class RunningTerm implements Term {
  readonly #abort = new AbortController();
  readonly #options: { clock: Clock; leaseMs: number; renewDeadlineMs: number };
  #from: ClockTimes;
  #disarm = () => {};

  constructor(options: { clock: Clock; leaseMs: number; renewDeadlineMs: number }, from: ClockTimes) {
    this.#options = options;
    this.#from = from;
    this.#arm();
  }
  get signal() {
    return this.#abort.signal;
  }
  remainingMs(): number {
    if (this.untilDeadlineMs() <= 0) this.end("the lease could not be renewed in time");
    return this.#abort.signal.aborted
      ? 0
      : Math.max(0, this.#options.leaseMs - elapsedMs(this.#options.clock, this.#from));
  }
  assertTime(ms: number): void {
    if (this.remainingMs() < ms) throw new LeadershipLost("not enough of the lease is left");
  }
  untilDeadlineMs(): number {
    return this.#options.renewDeadlineMs - elapsedMs(this.#options.clock, this.#from);
  }
  renewed(from: ClockTimes): void {
    this.#from = from;
    this.#disarm();
    this.#arm();
  }
  end(why: string): void {
    this.#disarm();
    if (!this.#abort.signal.aborted) this.#abort.abort(new LeadershipLost(why));
  }
  /** Ends the term in time where nobody asks. Those who do ask need no timer. */
  #arm(): void {
    this.#disarm = this.#options.clock.after(Math.max(0, this.untilDeadlineMs()), () => this.remainingMs());
  }
}
