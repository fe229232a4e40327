import { setTimeout as sleep } from "node:timers/promises";

const LOOK_EVERY_MS = 40;

/**
 * Calls `look` until it returns something. Throws an error with the text `what` when `look` returns nothing in time. Use it only to wait
 * for other processes: a test gets no event when another process does something.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}
