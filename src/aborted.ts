/**
 * Settles like `work`, or rejects with the signal's reason when that aborts first. The work itself goes on: others may wait for it as
 * well.
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

/** Never aborts. For work that ends by itself. */
export const NEVER: AbortSignal = new AbortController().signal;
