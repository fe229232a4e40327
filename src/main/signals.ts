import { constants } from "node:os";

/**
 * Signals within this time count as one request to stop. Ctrl-C in a terminal signals the whole process group, and wrappers (npm,
 * scripts/run.mjs, a supervisor that signals every process of a unit) pass it on, so that it arrives several times within
 * milliseconds.
 */
const SAME_REQUEST_MS = 1000;
/** On a busy machine a wrapper may take this long to pass a signal on. */
const REPETITIONS_WITHIN_MS = 250;

export interface StopRequest {
  /** Aborts at the first signal: end in an orderly way. */
  readonly signal: AbortSignal;
  /**
   * Call this when the work is done. Signals then have their usual effect, unless there was a request to stop: its remaining signals
   * are still caught, since they would kill a process that is about to end properly.
   */
  end(): void;
}

/** Listens for signals that ask the process to stop. A second request ends it at once. */
export function listenForStop({
  names = ["SIGTERM", "SIGINT"],
  onStop = () => {},
  now = () => performance.now(),
  exit = (code: number) => process.exit(code),
}: {
  names?: readonly NodeJS.Signals[];
  onStop?(name: NodeJS.Signals): void;
  now?(): number;
  exit?(code: number): void;
} = {}): StopRequest {
  const stop = new AbortController();
  let firstAt = 0;
  const onSignal = (name: NodeJS.Signals) => {
    if (!stop.signal.aborted) {
      firstAt = now();
      // Keeps the process alive for a moment: a job that ends at once would be killed by the repetition while it exits, when
      // nobody listens any more, and its exit code would be lost.
      setTimeout(() => {}, REPETITIONS_WITHIN_MS);
      onStop(name);
      stop.abort(new Error(`stopped by ${name}`));
      // 128 and the signal's number is the exit code that shells give to a program that a signal ended.
    } else if (now() - firstAt >= SAME_REQUEST_MS) exit(128 + constants.signals[name]);
  };
  for (const name of names) process.on(name, onSignal);
  return {
    signal: stop.signal,
    end: () => {
      if (stop.signal.aborted) return;
      for (const name of names) process.off(name, onSignal);
    },
  };
}
