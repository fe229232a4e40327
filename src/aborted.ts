/**
 * The promise's result, or the signal's reason once that aborts: whoever waits for work that others wait for as well leaves it
 * without ending it.
 */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** For work that ends by itself. */
export const NEVER: AbortSignal = new AbortController().signal;
