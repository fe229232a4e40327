/**
 * The error that ends an attempt whose object needs another attempt. The code that interrupts it has already queued the
 * object.
 */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/**
 * Tells an attempt under way that its object immediately needs another attempt: the object was deleted, or has become urgent.
 *
 * There are two ways to do so. `makeWay` ends reads and waits, but not a change that was already sent to an outside system. An
 * abort would close only our side of the connection, and the change could take effect after the changes that the deletion
 * makes. `cutOff` ends everything, for an object that must no longer wait for anything.
 */
export class Interruption {
  readonly #makeWay = new AbortController();
  readonly #cutOff = new AbortController();
  readonly isUrgent: boolean;
  /** True when the object was already being deleted at the beginning of the attempt. */
  readonly deleting: boolean;

  constructor({ isUrgent, deleting }: { isUrgent: boolean; deleting: boolean }) {
    this.isUrgent = isUrgent;
    this.deleting = deleting;
  }

  get makesWay(): AbortSignal {
    return this.#makeWay.signal;
  }
  get isCutOff(): AbortSignal {
    return this.#cutOff.signal;
  }

  /** True after `makeWay` or `cutOff`. The object is then queued already, and the attempt need not plan another one. */
  get hasBegun(): boolean {
    return this.makesWay.aborted || this.isCutOff.aborted;
  }

  makeWay(): void {
    this.#makeWay.abort(new Interrupted("the object needs another attempt"));
  }

  cutOff(): void {
    this.#cutOff.abort(new Interrupted("the object needs another attempt at once"));
  }
}
