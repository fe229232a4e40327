import type { Clock } from "../clock.ts";
import { LeadershipLost, type Term } from "../leadership.ts";
import type { Log } from "../log.ts";
import { type KubeClient, KubeError } from "./client.ts";
import { decideOnLease, heldLease, NOBODY, type ObservedLease, releasedLease } from "./lease.ts";
import { type Lease, leases } from "./resource.ts";

export interface LeaderOptions {
  client: KubeClient;
  namespace: string;
  /** The Lease's name. */
  name: string;
  /** Unlike any other process's, a former one in the same pod included. */
  identity: string;
  clock: Clock;
  log: Log;
  /** How long others wait after the last renewal they saw. Default 15 s. */
  leaseMs?: number;
  /** Without a renewal for so long we stop. Default 10 s. */
  renewDeadlineMs?: number;
  /** Between two renewals, or two looks at another's Lease. Default 2 s. */
  retryMs?: number;
  /** From which holders the Lease is taken, to begin when they have certainly stopped. Default: none, all are waited for. */
  seize?: (holder: string) => boolean;
  /** Called when there is somebody to wait for, once for each; also for `nobody`, for whom the Lease is kept. */
  onWait?: (holder: string) => void;
  random?: () => number;
}

/**
 * Leader election by a Lease. Of several processes at most one has time remaining, as long as their clocks run at the same
 * rate: the leader counts from before it sent its last successful renewal, the others from after they saw it.
 *
 * A process that was frozen finds out by the clock, not by a timer: `remainingMs` compares times at each call, so what runs
 * first after waking up, before any timer or answer has been handled, already sees that the term is over.
 */
export class LeaderElector {
  readonly #options: Required<LeaderOptions>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(term: Term) => void>();
  #term: RunningTerm | undefined;
  #lease: Lease | undefined;
  #observed: ObservedLease = { resourceVersion: undefined, sinceMs: 0 };
  #holder: string | undefined;
  /** Whom this process waits for, once that was told. */
  #waitsFor: string | undefined;
  /** There was no Lease when this process first looked. */
  #foundNone: boolean | undefined;
  /** Before this no term begins: a holder that was displaced may still act on what it had left. */
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
    // Else there would never be enough time left to begin a request.
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
  /** Who leads, as last seen. */
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

  /** Called at the beginning of each term, and at once when one is under way. */
  onTerm(listener: (term: Term) => void): () => void {
    this.#listeners.add(listener);
    if (this.term !== undefined) listener(this.term);
    return () => void this.#listeners.delete(listener);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Ends the term and releases the Lease, so that the next leader need not wait. Stop what works under the term first: the
   * Lease is renewed until here. With `release: false` the Lease is left to run out. With `holdMs` nobody leads for so long,
   * whoever waits; where there was no Lease at first there is nobody to hold off, and it is deleted.
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
      // A little spread, so that two that wait for the same Lease do not collide at each look.
      await clock.sleep(retryMs * (1 + random() / 10), signal).catch(() => {});
    }
  }

  async #round(): Promise<void> {
    const { clock, log, renewDeadlineMs, retryMs } = this.#options;
    const within = new AbortController();
    // No longer than what is left until the deadline, else a request that hangs would outlive the term.
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
      // Our copy may be old: the next round reads the Lease.
      this.#lease = undefined;
      // Once per outage: a round every two seconds would bury everything else.
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
    // A leader writes over the version of its own last renewal: one request, and a conflict tells of anybody else.
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
    // Counted from before the request is sent: whoever sees the renewal sees it later than that.
    const from = timesOf(clock);
    const next = heldLease(this.#lease, {
      ...this.#options,
      nowMs: clock.now(),
      newTerm: this.#term === undefined,
    });
    const written =
      decision.do === "create"
        ? await client.create(leases, next, signal)
        : await client.replace(leases, next, signal);
    this.#observe(written);
    // The answer to a renewal that was sent before a long freeze proves nothing about now.
    if (this.#stop.signal.aborted || elapsedMs(clock, from) >= this.#options.renewDeadlineMs) return;
    if (clock.monotonic() < this.#displacedUntilMs) return;
    if (this.#term === undefined || this.#term.remainingMs() <= 0) this.#begin(from);
    else this.#term.renewed(from);
  }

  /** Told once for each holder: a replica that stands by, and an install that waits for a release's end, look alike otherwise. */
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
      await client.replace(leases, releasedLease(lease, { nowMs: clock.now(), holdMs }), signal);
      log.info({ holdMs }, holdMs === undefined ? "lease released" : "lease kept, so that nobody leads");
    } catch (error) {
      log.warn({ err: error }, "lease not released, it runs out by itself");
    }
  }
}

const TIMED_OUT = { status: 0, reason: "Timeout" };

/** Both clocks: the monotonic one stands still while a machine sleeps, the wall clock can be set back. The later one counts. */
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
  #arm(): void {
    this.#disarm = this.#options.clock.after(Math.max(0, this.untilDeadlineMs()), () => this.remainingMs());
  }
}
