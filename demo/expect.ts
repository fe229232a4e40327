import { setTimeout as sleep } from "node:timers/promises";

/** A step did not see what it should have: the message says both. */
export class NotSeen extends Error {
  override readonly name = "NotSeen";
}

/** Throws NotSeen unless the two are equal as JSON. */
export function expectSame(what: string, seen: unknown, expected: unknown): void {
  if (JSON.stringify(seen) !== JSON.stringify(expected))
    throw new NotSeen(`${what}: expected ${JSON.stringify(expected)}, saw ${JSON.stringify(seen)}`);
}

export interface Wait<T> {
  /** What is waited for, for the failure's sentence. */
  readonly expected: string;
  /** Undefined while it is not so yet. */
  look(): T | undefined | Promise<T | undefined>;
  /** What is there instead, for the failure's sentence. */
  seen(): string;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** Looks ten times a second until it is so: a demo stands at the very edge, and watches from outside. */
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
