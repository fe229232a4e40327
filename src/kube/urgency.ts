import type { Clock } from "../clock.ts";
import { type KubeObject, keyOf } from "./resource.ts";

export interface UrgencyOptions<T extends KubeObject> {
  clock: Clock;
  /** In how many milliseconds the object becomes urgent, 0 or less for now; undefined: never. */
  inMs?: ((object: T) => number | undefined) | undefined;
  /** The object as it is now; undefined when it is gone. */
  newest(key: string): T | undefined;
  /** Its time has come. */
  onDue(key: string): void;
}

/** Which objects can wait for nothing any more, and a timer for each that will be one of them. */
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

  /** Sets the object's timer, in place of an earlier one. */
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
    // It was given more time meanwhile, or the timer was a moment early.
    if (this.isUrgent(object)) this.#options.onDue(key);
    else this.watch(object);
  }
}
