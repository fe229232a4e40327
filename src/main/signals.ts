import { constants } from "node:os";

/**
 * Signals within this time count as one request to stop. Ctrl-C in a terminal signals the whole process group. Wrappers (npm,
 * scripts/run.mjs, a supervisor that signals every process of a unit) pass the signal on, so that it arrives several times within
 * milliseconds.
 */
const SAME_REQUEST_MS = 1000;
/** The longest time that a wrapper takes to pass a signal on, even on a busy machine. */
const REPETITIONS_WITHIN_MS = 250;

/** A request to stop the process, which may come at any time. */
export interface StopRequest {
  /** Aborts at the first signal. The process should then end in an orderly way. */
  readonly signal: AbortSignal;
  /**
   * Stops listening, so that signals have their usual effect again. To be called when the work of the process is done. After a request to
   * stop, `end` does nothing: more signals of that request may come, and would kill a process that is about to end properly.
   */
  end(): void;
}

/** Listens for signals that ask the process to stop. A second request to stop ends the process immediately. */
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
      // The timer keeps the process alive for a moment, because nothing listens for signals while a process exits. Without the timer, a
      // repeated signal would kill a job that ends immediately, and the job's exit code would be lost.
      setTimeout(() => {}, REPETITIONS_WITHIN_MS);
      onStop(name);
      stop.abort(new Error(`stopped by ${name}`));
      // Shells give this exit code, 128 plus the signal's number, to a program that was ended by a signal.
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
