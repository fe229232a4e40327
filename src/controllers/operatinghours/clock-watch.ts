import type { Clock } from "../../clock.ts";

/**
 * How often the wall clock is compared with the monotonic clock. After the wall clock was set, the status of
 * OperatingHours may be wrong for this long.
 */
const LOOK_MS = 1000;
/**
 * The smallest jump of the wall clock that matters. A smaller jump is not worth waking every object; a larger jump
 * could show in the status of OperatingHours, which is exact to the second.
 */
const TOLERANCE_MS = 250;

/**
 * Calls `onJump` when the wall clock has moved relative to the monotonic clock, because timers use the monotonic
 * clock, and opening hours the wall clock. NTP can move the wall clock, and so can a machine that slept or a slow
 * drift over days. The call comes within a second, so that timers which wait for a wall-clock time can be set
 * again. Returns a function that ends the watch.
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
