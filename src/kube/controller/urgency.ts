import type { Clock } from "../../clock.ts";
import { type KubeObject, keyOf } from "../resource.ts";

export interface UrgencyOptions<T extends KubeObject> {
  clock: Clock;
  /** In how many milliseconds the object becomes urgent; 0 or less: it is now; undefined: it never will be. */
  inMs?: ((object: T) => number | undefined) | undefined;
  /** The object as it is now; undefined when it is gone. */
  newest(key: string): T | undefined;
  /** The object has become urgent by the passing of time. */
  onDue(key: string): void;
}

/**
 * Knows which objects are urgent, and has a timer for each that will be. An urgent object waits for nothing outside any
 * more, such as one whose deletion has waited for as long as it may: an attempt on it takes a moment, and must not stand
 * in line behind others that hang.
 *
 * No watch event comes when time passes, which is why there are timers.
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

  /** Sets the object's timer in place of an earlier one: a change of the object can change its time. */
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
    // Asked again: the object may have been given more time since, and a timer can fire a moment early.
    if (this.isUrgent(object)) this.#options.onDue(key);
    else this.watch(object);
  }
}
