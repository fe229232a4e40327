/**
 * Leader election: one of several replicas works, and the others stand by.
 *
 *     const elector = new LeaderElector({ client, namespace, name, identity, clock, log });
 *     elector.onTerm((term) => …);        // a term of leadership has a signal, which aborts when the term ends
 *     elector.start();
 *     term.assertTime(10_000);            // before each call to the outside, with the call's own time-out; a client that
 *                                         // was made by `whileLeading` does so itself
 *     await elector.stop();               // first stop everything that works under the term
 *
 * A Lease alone does not protect an outside API, which does not know the Lease and accepts a call from a process that no longer
 * leads. The way in which time is counted keeps two leaders from acting at the same time. A leader counts its time from before
 * it sent its last successful renewal. The other processes count from when they saw that renewal, which is later. So the
 * leader's time is over first, if both clocks run at the same rate; they need not show the same time. A call takes time too, so
 * no call begins with less time left than it may take.
 *
 * The three times are those of Kubernetes' own components: a Lease is valid for 15 s, a leader that could not renew it for 10 s
 * stops, and renewals are 2 s apart.
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
  /**
   * The name of this process in the Lease. No other process may have the same name, not even a former container in the same
   * pod.
   */
  identity: string;
  clock: Clock;
  log: Log;
  /** How long the other processes wait after the last renewal that they saw, before they take the Lease. Default 15 s. */
  leaseMs?: number;
  /** After this long without a renewal this process stops leading, while the other processes still wait. Default 10 s. */
  renewDeadlineMs?: number;
  /** The time between two renewals, or between two reads of a Lease that another process holds. Default 2 s. */
  retryMs?: number;
  /**
   * Returns whether the Lease may be taken from this holder while the holder still has it. The new term then begins when the
   * holder has certainly stopped. Default: no holder loses its Lease, and this process waits.
   */
  seize?: (holder: string) => boolean;
  /** Called once for each holder that this process waits for, including the holder `nobody`. */
  onWait?: (holder: string) => void;
  random?: () => number;
}

/**
 * Takes and renews the Lease. Of all processes that use the same Lease, at most one has time left in which it may act.
 *
 * A process can be frozen at any point: by SIGSTOP, by a laptop's sleep, by a node without memory. When it wakes up, any code
 * may run first, and timers fire later. So nothing relies on a timer: `remainingMs` reads the clock at each call, and even the
 * first call after waking up returns 0.
 */
export class LeaderElector {
  readonly #options: Required<LeaderOptions>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(term: Term) => void>();
  #term: RunningTerm | undefined;
  #lease: Lease | undefined;
  #observed: ObservedLease = { resourceVersion: undefined, sinceMs: 0 };
  #holder: string | undefined;
  /** The holder that was logged last as a reason to wait, so that each holder is logged once. */
  #waitsFor: string | undefined;
  /**
   * True when the first read found no Lease, so that no other process uses the Lease. With `holdMs`, `stop` then deletes the
   * Lease instead of giving it to `nobody`. Undefined before the first read.
   */
  #foundNone: boolean | undefined;
  /** No term begins before this time: the holder that lost the Lease to this process may act until its own time is over. */
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
      throw new Error("leaseMs must be longer than renewDeadlineMs, and renewDeadlineMs longer than retryMs");
    // A request begins only when its time-out still fits into the lease, so a time-out that could never fit is refused.
    if (options.client.requestTimeoutMs + 2 * retryMs > leaseMs)
      throw new Error("the client's requestTimeoutMs plus two times retryMs must not exceed leaseMs");
  }

  /** The present term; undefined when this process does not lead. */
  get term(): Term | undefined {
    return this.#term !== undefined && this.#term.remainingMs() > 0 ? this.#term : undefined;
  }
  get isLeading(): boolean {
    return this.term !== undefined;
  }
  /** The holder of the Lease when it was last read. */
  get holder(): string | undefined {
    return this.#holder;
  }
  remainingMs(): number {
    return this.term?.remainingMs() ?? 0;
  }
  assertTime(ms: number): void {
    if (this.remainingMs() < ms)
      throw new LeadershipLost("this process does not lead, or too little of its lease is left");
  }

  /**
   * Calls `listener` when a term begins, and immediately if a term is under way. Returns a function that removes `listener`.
   */
  onTerm(listener: (term: Term) => void): () => void {
    this.#listeners.add(listener);
    if (this.term !== undefined) listener(this.term);
    return () => void this.#listeners.delete(listener);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Ends the term and releases the Lease, so that the next leader need not wait until the Lease expires. Stop everything that
   * works under the term first, because the Lease is renewed until this call. With `release: false` the Lease is left to
   * expire. With `holdMs` the holder of the Lease is `nobody` for that long, so that no process leads; a Lease that this
   * process itself created is deleted instead.
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
      // The pause varies by a tenth, or two processes that started together would collide at each try.
      await clock.sleep(retryMs * (1 + random() / 10), signal).catch(() => {});
    }
  }

  async #round(): Promise<void> {
    const { clock, log, renewDeadlineMs, retryMs } = this.#options;
    const within = new AbortController();
    // The time limit of one round: two tries must fit before the deadline of the term, and a request that hangs must not
    // outlive the term.
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
      // After an error our write may have happened, or another process may have written. Our copy may be out of date, so the
      // next round reads the Lease.
      this.#lease = undefined;
      // A problem is logged once per outage, because a line every two seconds would bury everything else. A conflict is no
      // outage: another process was faster, and the next round finds out which.
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
    // A leader renews the Lease without reading it first. The write names the version of the last renewal, so if anybody else
    // has written since, there is a conflict.
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
    // The term counts from before the request is sent: no other process can see the renewal earlier than that.
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
    // A renewal that took too long does not count: the process may have been frozen since it sent the request, and another
    // process may have taken the Lease meanwhile.
    if (this.#stop.signal.aborted || elapsedMs(clock, from) >= this.#options.renewDeadlineMs) return;
    if (clock.monotonic() < this.#displacedUntilMs) return;
    if (this.#term === undefined || this.#term.remainingMs() <= 0) this.#begin(from);
    else this.#term.renewed(from);
  }

  /** Ends the term because the Lease is held by another process, or by `nobody` for a while. Logs each such holder once. */
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
        "waiting: the process that held the lease before keeps it for a while, so that nobody leads",
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
      log.warn({ err: error }, "lease not released, it expires by itself");
    }
  }
}

/** The fields of the KubeError for a request that our own time limit ended. */
const TIMED_OUT = { status: 0, reason: "Timeout" };

/**
 * A moment by two clocks. The monotonic clock stands still while a machine sleeps, and the wall clock can be set back. So the
 * elapsed time is the longer one of the two clocks: a wrong clock can only end a term too early.
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
  /** Sets a timer that ends the term at its deadline. `remainingMs` would end it as well, but perhaps no code calls it. */
  #arm(): void {
    this.#disarm = this.#options.clock.after(Math.max(0, this.untilDeadlineMs()), () => this.remainingMs());
  }
}
