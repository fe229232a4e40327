/**
 * Settles like `work`, or rejects with the reason of `signal` when `signal` aborts first. An abort does not stop the work
 * itself, because others may also wait for its result.
 */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(
      (result) => {
        signal.removeEventListener("abort", onAbort);
        resolve(result);
      },
      (error: unknown) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    );
  });
}

/** A signal that never aborts, for work that ends by itself. */
export const NEVER: AbortSignal = new AbortController().signal;
