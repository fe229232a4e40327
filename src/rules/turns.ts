/** One thing is done at a time. Who waits is served in turns, namespace by namespace: one with a thousand waits for itself. */
export class Turns {
  readonly #waiting = new Map<string, (() => void)[]>();
  #busy = false;

  /** Runs `run` when it is its turn. */
  async take<T>(namespace: string, run: () => Promise<T>): Promise<T> {
    if (this.#busy) await this.#wait(namespace);
    this.#busy = true;
    try {
      return await run();
    } finally {
      this.#next();
    }
  }

  #wait(namespace: string): Promise<void> {
    return new Promise((resolve) => {
      const line = this.#waiting.get(namespace);
      if (line === undefined) this.#waiting.set(namespace, [resolve]);
      else line.push(resolve);
    });
  }

  /** Stays busy when it hands over: whoever comes in between must wait as well. */
  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#busy = false;
      return;
    }
    const [namespace, line] = first;
    const go = line.shift()!;
    this.#waiting.delete(namespace);
    if (line.length > 0) this.#waiting.set(namespace, line);
    go();
  }
}
