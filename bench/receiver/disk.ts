import { open, rm } from "node:fs/promises";
import { join } from "node:path";

const EVERY_MS = 100;

/** Writes and syncs one byte ten times a second, to tell a stalled disk from a stalled server. */
export class DiskProbe {
  #longestMs = 0;
  #beganAtMs: number | undefined;
  #stopped = false;
  #ended: Promise<void> = Promise.resolve();
  readonly #file: string;

  /** `folder`, to which the probe writes, must be on the same disk as the database. */
  constructor(folder: string) {
    this.#file = join(folder, "probe");
  }

  start(): void {
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
    await rm(this.#file, { force: true });
  }

  /**
   * The milliseconds of the longest write since the last call of this method. A write that has not ended yet counts
   * too.
   */
  takeLongestMs(): number {
    const underWayMs = this.#beganAtMs === undefined ? 0 : performance.now() - this.#beganAtMs;
    const longestMs = Math.max(this.#longestMs, underWayMs);
    this.#longestMs = 0;
    return longestMs;
  }

  async #run(): Promise<void> {
    const file = await open(this.#file, "w");
    while (!this.#stopped) {
      this.#beganAtMs = performance.now();
      await file.write("x", 0);
      await file.datasync();
      this.#longestMs = Math.max(this.#longestMs, performance.now() - this.#beganAtMs);
      this.#beganAtMs = undefined;
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    await file.close();
  }
}
