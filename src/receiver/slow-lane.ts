import type { Clock } from "../clock.ts";

/** A piece of work that costs more than a few texts. */
export interface SlowJob<T> {
  /** What it holds in memory; the larger, the later its turn. */
  bytes: number;
  /** Does the work in steps; yields after each how many bytes it has worked on. */
  work: () => Generator<number, T>;
  /** Is nobody there any more who waits for it? Then it is dropped. */
  isGone: () => boolean;
  /** Called once, unless it is gone. `crowded`: it had no turn in time, or there was no room to wait. */
  done: (result: T | "crowded") => void;
}

export interface SlowLaneOptions {
  clock: Clock;
  limits?: Partial<SlowLaneLimits>;
}

export interface SlowLaneLimits {
  /** Work for each millisecond that passes. */
  bytesPerMs: number;
  /** What may be worked on at once after some time without work. */
  burstBytes: number;
  /** What all that wait may hold. */
  waitingBytes: number;
  /** How long one may wait for its turn. */
  waitMs: number;
}

/** SHA-1 hashes some 240 bytes in a microsecond here, so that this takes a fifth of one core at most. */
const LIMITS: SlowLaneLimits = {
  bytesPerMs: 48 * 1024,
  burstBytes: 128 * 1024,
  waitingBytes: 16 * 1024 * 1024,
  waitMs: 1000,
};

/** So many bytes wait as if they had come a millisecond later: 256 KiB let everything small of half a second pass. */
const BYTES_PER_MS_LATER = 512;
const TICK_MS = 1;

interface WaitingJob<T> extends SlowJob<T> {
  arrivedMs: number;
  /** Place in the queue: small ones pass large ones, and none is passed for ever. */
  turn: number;
}

/**
 * One job after another, in small steps between which the event loop serves everybody else, and not more of them than a fixed
 * share of the time allows: however many strangers send what is dear to refuse, texts go on. Nothing waits while the lane is
 * free: a large text alone is as fast as a small one.
 *
 * States: idle (nothing waits) → working (a step at a time, while there is credit) → resting (until there is) → working or idle.
 */
export class SlowLane<T> {
  readonly #clock: Clock;
  readonly #limits: SlowLaneLimits;
  /** In the order of their turns. */
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

  /** Is there something under way? Takes the next one where there is not. */
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

  /** Those who have waited too long. Whoever is gone makes room, too. */
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
