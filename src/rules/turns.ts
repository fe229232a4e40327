/** Runs one task at a time. Namespaces take turns: a namespace with a thousand tasks holds up the others by only one task. */
export class Turns {
  readonly #waiting = new Map<string, (() => void)[]>();
  #busy = false;

  /** Calls `run` when the namespace's turn comes, and settles like `run`. */
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

  /**
   * Starts the next task. `#busy` stays true when a task follows, so that a task that arrives just then waits in line like the
   * others.
   */
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
