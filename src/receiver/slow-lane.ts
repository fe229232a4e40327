import type { Clock } from "../clock.ts";

/** A piece of work that costs as much as several texts. */
export interface SlowJob<T> {
  /** How much memory the job holds. A job that holds more memory gets its turn later. */
  bytes: number;
  /** Does the work of the job in steps, and yields the number of bytes that each step worked on. */
  work: () => Generator<number, T>;
  /** True when the sender of the request has gone away. Then the job is dropped. */
  isGone: () => boolean;
  /**
   * Called once with the result, unless the sender has gone away. `crowded` means that the job did not get its turn in time, or that there
   * was no memory to let it wait.
   */
  done: (result: T | "crowded") => void;
}

export interface SlowLaneOptions {
  clock: Clock;
  limits?: Partial<SlowLaneLimits>;
}

/** Limits of the slow lane. */
export interface SlowLaneLimits {
  /** How many bytes may be worked on per millisecond. */
  bytesPerMs: number;
  /** How many bytes may be worked on without a pause after some idle time. */
  burstBytes: number;
  /** How much memory all waiting jobs together may hold. */
  waitingBytes: number;
  /** How long a job may wait for its turn. */
  waitMs: number;
}

/** The default limits. Our SHA-1 hashes about 240 bytes in a microsecond, so 48 KiB per millisecond take a fifth of a core. */
const LIMITS: SlowLaneLimits = {
  bytesPerMs: 48 * 1024,
  burstBytes: 128 * 1024,
  waitingBytes: 16 * 1024 * 1024,
  waitMs: 1000,
};

/**
 * A job moves back in the queue by one millisecond per this many bytes, as if it had arrived later. So a job of 256 KiB lets all small jobs
 * of the next half second go first.
 */
const BYTES_PER_MS_LATER = 512;
const TICK_MS = 1;

interface WaitingJob<T> extends SlowJob<T> {
  arrivedMs: number;
  /**
   * The place in the queue: the time at which the job arrived, plus a delay that grows with its size. Small jobs pass large jobs, but every
   * job gets its turn.
   */
  turn: number;
}

/**
 * Runs one job after another in small steps. Between steps the event loop serves other requests, and all steps together take no more than
 * a fixed share of the time. So texts are answered however many unauthenticated clients send requests that are expensive to refuse. When
 * the lane is idle, a job starts immediately: a single large text is answered as fast as a small one.
 *
 * States: idle (no job waits) → working (step by step, while its share allows more bytes) → resting (until its share allows more bytes) →
 * working or idle.
 */
export class SlowLane<T> {
  readonly #clock: Clock;
  readonly #limits: SlowLaneLimits;
  /** The waiting jobs, sorted by turn. */
  #waiting: WaitingJob<T>[] = [];
  #waitingBytes = 0;
  #current: { job: WaitingJob<T>; work: Generator<number, T> } | undefined;
  #credit: number;
  #creditAtMs: number;
  #resting = false;

  constructor({ clock, limits }: SlowLaneOptions) {
    this.#clock = clock;
    this.#limits = { ...LIMITS, ...limits };
    this.#credit = this.#limits.burstBytes;
    this.#creditAtMs = clock.monotonic();
  }

  add(job: SlowJob<T>): void {
    const arrivedMs = this.#clock.monotonic();
    const waiting = { ...job, arrivedMs, turn: arrivedMs + job.bytes / BYTES_PER_MS_LATER };
    const after = this.#waiting.findIndex(({ turn }) => turn > waiting.turn);
    this.#waiting.splice(after === -1 ? this.#waiting.length : after, 0, waiting);
    this.#waitingBytes += job.bytes;
    while (this.#waitingBytes > this.#limits.waitingBytes) this.#leave(this.#waiting.at(-1)!, "crowded");
    if (!this.#resting) this.#run();
  }

  #run(): void {
    this.#earn();
    while (this.#credit > 0 && this.#begin()) this.#step();
    if (this.#current === undefined && this.#waiting.length === 0) return;
    this.#resting = true;
    this.#clock.after(TICK_MS, () => {
      this.#resting = false;
      this.#giveUp();
      this.#run();
    });
  }

  #earn(): void {
    const { bytesPerMs, burstBytes } = this.#limits;
    const now = this.#clock.monotonic();
    this.#credit = Math.min(burstBytes, this.#credit + (now - this.#creditAtMs) * bytesPerMs);
    this.#creditAtMs = now;
  }

  /** Takes the next job when no job is under way. False when there is no job to take. */
  #begin(): boolean {
    while (this.#current === undefined) {
      const job = this.#waiting[0];
      if (job === undefined) return false;
      this.#remove(job);
      this.#current = { job, work: job.work() };
    }
    return true;
  }

  #step(): void {
    const { job, work } = this.#current!;
    if (job.isGone()) {
      this.#current = undefined;
      return;
    }
    const { done, value } = work.next();
    if (done !== true) this.#credit -= value;
    else {
      this.#current = undefined;
      job.done(value);
    }
  }

  /** Removes jobs that have waited too long, and jobs whose sender is gone. */
  #giveUp(): void {
    const since = this.#clock.monotonic() - this.#limits.waitMs;
    for (const job of this.#waiting.filter((job) => job.arrivedMs <= since || job.isGone()))
      this.#leave(job, "crowded");
  }

  #leave(job: WaitingJob<T>, result: "crowded"): void {
    this.#remove(job);
    if (!job.isGone()) job.done(result);
  }

  #remove(job: WaitingJob<T>): void {
    this.#waiting.splice(this.#waiting.indexOf(job), 1);
    this.#waitingBytes -= job.bytes;
  }
}
