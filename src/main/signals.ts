import { constants } from "node:os";

/**
 * Ctrl-C in a terminal signals the whole group, and wrappers (npm, scripts/run.mjs, a supervisor that signals each process of a unit)
 * pass on what they got: one wish to stop comes several times within milliseconds. What comes later is another wish.
 */
const SAME_WISH_MS = 1000;

export interface StopWish {
  /** Aborts at the first signal: come to an orderly end. */
  readonly signal: AbortSignal;
  /**
   * The work is done. Without a wish to stop, signals then do what they do without us; after one they are still taken, as the last of
   * those that were one wish would else kill a process that is about to end in order.
   */
  end(): void;
}

/** Listens for signals that ask the process to stop. A second wish ends it at once. */
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
} = {}): StopWish {
  const stop = new AbortController();
  let firstAt = 0;
  const onSignal = (name: NodeJS.Signals) => {
    if (!stop.signal.aborted) {
      firstAt = now();
      onStop(name);
      stop.abort(new Error(`stopped by ${name}`));
    } else if (now() - firstAt >= SAME_WISH_MS) exit(128 + constants.signals[name]);
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
