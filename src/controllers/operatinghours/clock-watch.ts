import type { Clock } from "../../clock.ts";

/** A status may be wrong for so long after the clock was set. */
const LOOK_MS = 1000;
/**
 * A smaller difference is not worth waking every object; a larger one could be seen in a status that is exact to
 * the second.
 */
const TOLERANCE_MS = 250;

/**
 * Timers run by a clock that never jumps, opening hours by the wall clock. Whenever the two have moved apart (NTP,
 * a machine that slept, a slow drift over days) `onJump` is called within a second, so that whoever waits for a
 * time can set the timer anew. Returns a function that ends the watch.
 */
export function watchClock(clock: Clock, onJump: () => void): () => void {
  const distance = () => clock.now() - clock.monotonic();
  let before = distance();
  const look = () => {
    cancel = clock.after(LOOK_MS, look);
    const now = distance();
    if (Math.abs(now - before) <= TOLERANCE_MS) return;
    before = now;
    onJump();
  };
  let cancel = clock.after(LOOK_MS, look);
  return () => cancel();
}
