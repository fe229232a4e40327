/** The attempt ended because its object needs another one. Whoever interrupted it has put the object in line. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/**
 * Tells an attempt under way that its object needs another look at once: it was deleted, or has become urgent.
 *
 * There are two degrees, because an attempt does two kinds of work. `makeWay` ends what only reads or waits, but not a
 * change that was sent to an outside system: an abort would close our side of the connection only, and the change could
 * take effect there after those that the deletion makes. `cutOff` ends everything, for an object that can wait for nothing
 * any more.
 */
export class Interruption {
  readonly #makeWay = new AbortController();
  readonly #cutOff = new AbortController();
  readonly isUrgent: boolean;
  /** The object was already being deleted when the attempt began. */
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

  /** True after either degree: then the object is in line, and the attempt need not ask for another one. */
  get hasBegun(): boolean {
    return this.makesWay.aborted || this.isCutOff.aborted;
  }

  makeWay(): void {
    this.#makeWay.abort(new Interrupted("the object needs another look"));
  }

  cutOff(): void {
    this.#cutOff.abort(new Interrupted("the object needs another look at once"));
  }
}
