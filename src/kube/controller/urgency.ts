import type { Clock } from "../../clock.ts";
import { type KubeObject, keyOf } from "../resource.ts";

export interface UrgencyOptions<T extends KubeObject> {
  clock: Clock;
  /** In how many milliseconds the object becomes urgent. 0 or less: it is urgent now; undefined: it never will be. */
  inMs?: ((object: T) => number | undefined) | undefined;
  /** The newest state of the object; undefined when it is gone. */
  newest(key: string): T | undefined;
  /** Called when the object has become urgent because time has passed. */
  onDue(key: string): void;
}

/**
 * Knows which objects are urgent, and has a timer for each object that will become urgent. An urgent object no longer waits for
 * anything outside; an example is an object whose deletion has waited as long as it may. An attempt for an urgent object is
 * short, and must not wait in line behind attempts that hang.
 *
 * The timers are needed because the passing of time alone causes no watch event.
 */
export class Urgency<T extends KubeObject> {
  readonly #options: UrgencyOptions<T>;
  readonly #timers = new Map<string, () => void>();
  #stopped = false;

  constructor(options: UrgencyOptions<T>) {
    this.#options = options;
  }

  isUrgent(object: T): boolean {
    const ms = this.#options.inMs?.(object);
    return ms !== undefined && ms <= 0;
  }

  /** Sets the object's timer, replacing an earlier timer: a change of the object can change when it becomes urgent. */
  watch(object: T): void {
    const key = keyOf(object);
    this.forget(key);
    const ms = this.#options.inMs?.(object);
    if (ms === undefined || this.#stopped) return;
    this.#timers.set(
      key,
      this.#options.clock.after(Math.max(0, ms), () => this.#due(key)),
    );
  }

  forget(key: string): void {
    this.#timers.get(key)?.();
    this.#timers.delete(key);
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #due(key: string): void {
    this.#timers.delete(key);
    const object = this.#options.newest(key);
    if (object === undefined) return;
    // Whether the object is urgent is checked once more: it may have been given more time since the timer was set, and a timer
    // can fire a moment early.
    if (this.isUrgent(object)) this.#options.onDue(key);
    else this.watch(object);
  }
}
