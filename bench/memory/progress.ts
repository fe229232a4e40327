const EVERY_MS = 5000;

/** Writes the progress to stderr every few seconds, because a person may have to wait for minutes. */
export class SpokenProgress {
  #saidAt = 0;

  say(what: string, done: number, of: number): void {
    const now = performance.now();
    if (now - this.#saidAt < EVERY_MS && done < of) return;
    this.#saidAt = now;
    process.stderr.write(`${what}: ${done.toLocaleString("en-US")} of ${of.toLocaleString("en-US")}\n`);
  }
}
