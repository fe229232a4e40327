import { setTimeout as sleep } from "node:timers/promises";

/**
 * The error of a demo step that saw something other than expected. The message names what was seen and what was expected; the demo shows
 * the message without a stack trace.
 */
export class NotSeen extends Error {
  override readonly name = "NotSeen";
}

/** Throws NotSeen unless the two values are equal as JSON. */
export function expectSame(what: string, seen: unknown, expected: unknown): void {
  if (JSON.stringify(seen) !== JSON.stringify(expected))
    throw new NotSeen(`${what}: expected ${JSON.stringify(expected)}, saw ${JSON.stringify(seen)}`);
}

export interface Wait<T> {
  /** What `waitFor` waits for, in words. The message of a failure contains these words after "expected". */
  readonly expected: string;
  /** Returns what `waitFor` waits for, or undefined as long as it is not there. */
  look(): T | undefined | Promise<T | undefined>;
  /** What was seen when the time was over, in words. The message of a failure contains these words after "saw". */
  seen(): string;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/**
 * Calls `look` ten times a second until it returns something. The demo watches other processes from outside, and they send it no event to
 * wait for.
 */
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
