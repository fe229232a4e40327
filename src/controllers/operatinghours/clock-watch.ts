import type { Clock } from "../../clock.ts";

/** How often the clocks are compared: after the wall clock was set, a status may be wrong for this long. */
const LOOK_MS = 1000;
/**
 * The smallest jump of the clock that matters. A smaller one is not worth waking every object; a larger one could
 * show in a status that is exact to the second.
 */
const TOLERANCE_MS = 250;

/**
 * Calls `onJump` when the wall clock has moved relative to the monotonic clock: timers use the monotonic clock, and
 * opening hours the wall clock. Possible causes are NTP, a machine that slept, and a slow drift over days. The call
 * comes within a second, so that timers which wait for a wall-clock time can be set again. Returns a function that
 * ends the watch.
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
