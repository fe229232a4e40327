import { setTimeout as sleep } from "node:timers/promises";

/** A step saw something else than it should have. The message names both; the demo shows it without a stack trace. */
export class NotSeen extends Error {
  override readonly name = "NotSeen";
}

/** Throws NotSeen unless the two are equal as JSON. */
export function expectSame(what: string, seen: unknown, expected: unknown): void {
  if (JSON.stringify(seen) !== JSON.stringify(expected))
    throw new NotSeen(`${what}: expected ${JSON.stringify(expected)}, saw ${JSON.stringify(seen)}`);
}

export interface Wait<T> {
  /** What is waited for, as the message of a failure names it. */
  readonly expected: string;
  /** Gives undefined as long as it has to be waited for. */
  look(): T | undefined | Promise<T | undefined>;
  /** What is there instead, as the message of a failure names it. */
  seen(): string;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** Looks ten times a second. The demo watches other processes from outside, and they send it no event to wait for. */
export async function waitFor<T>({ expected, look, seen, withinMs, signal }: Wait<T>): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline)
      throw new NotSeen(`expected ${expected} within ${withinMs / 1000} s, saw ${seen()}`);
    await sleep(100, undefined, { signal });
  }
}
