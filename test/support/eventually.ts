import { setTimeout as sleep } from "node:timers/promises";

const LOOK_EVERY_MS = 40;

/**
 * Looks until there is an answer, and fails with `what` when there is none in time. For the edge of the tests only: what another
 * process does has no event that a test could wait for.
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
