/** An attempt ends because its object needs another one: whoever interrupted it has put the object in line. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/**
 * How an attempt under way is told that its object needs another look at once. Two degrees: to make way, which ends looking and
 * waiting but no change that has been sent, so that what comes next need not fear that it lands later; and to be cut off.
 */
export class Interruption {
  readonly #makeWay = new AbortController();
  readonly #cutOff = new AbortController();
  readonly isUrgent: boolean;
  /** The attempt began with the object in deletion. */
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

  /** Whoever did it has put the object in line. */
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
