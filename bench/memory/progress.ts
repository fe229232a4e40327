const EVERY_MS = 5000;

/** Tells on stderr, every few seconds, how far something has come. */
export class SpokenProgress {
  #saidAt = 0;

  say(what: string, done: number, of: number): void {
    const now = performance.now();
    if (now - this.#saidAt < EVERY_MS && done < of) return;
    this.#saidAt = now;
    process.stderr.write(`${what}: ${done.toLocaleString("en-US")} of ${of.toLocaleString("en-US")}\n`);
  }
}
