import { writeSync } from "node:fs";

/** How many bytes are kept for a slow reader. Further lines are dropped and counted. */
const MOST_WAITING_BYTES = 1024 * 1024;
const RETRY_MS = 20;
/** How many milliseconds the end of the process waits for a slow reader. */
const FLUSH_MS = 500;
/**
 * The error codes of a write whose reader is gone for good: the pipe's other end, the terminal or the file descriptor is gone.
 */
const GONE = new Set(["EPIPE", "EIO", "EBADF", "ECONNRESET"]);
/** The error codes of a write to a non-blocking pipe that is full. */
const FULL = new Set(["EAGAIN", "EBUSY"]);

type WriteBytes = (fd: number, bytes: Buffer) => number;

export interface LogOutputOptions {
  fd: number;
  write?: WriteBytes;
}

/**
 * Writes log lines to a file descriptor, immediately if possible. When the reader is gone, pino's own output retries for ever
 * and blocks the process, which then does not stop when it is told to. In this class only logging ends when the reader is gone.
 * A slow reader loses lines but does not hold up the process.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #write: WriteBytes;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #gone = false;
  #retry: NodeJS.Timeout | undefined;

  constructor({ fd, write = writeSync }: LogOutputOptions) {
    this.#fd = fd;
    this.#write = write;
  }

  write(line: string): void {
    if (this.#gone) return;
    this.#keep(Buffer.from(line));
    if (this.#retry === undefined) this.#drain();
  }

  /** Writes the lines that still wait, at the end of the process. Blocks everything else for up to FLUSH_MS. */
  flush(): void {
    const until = performance.now() + FLUSH_MS;
    while (this.#waiting.length > 0 && performance.now() < until) {
      this.#drain();
      if (this.#waiting.length > 0) Atomics.wait(PAUSE, 0, 0, RETRY_MS);
    }
    clearTimeout(this.#retry);
  }

  #keep(bytes: Buffer): void {
    if (this.#waitingBytes + bytes.length > MOST_WAITING_BYTES) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #drain(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) this.#put(first);
    } catch (error) {
      this.#failed((error as NodeJS.ErrnoException).code ?? "");
    }
  }

  #put(bytes: Buffer): void {
    const written = this.#write(this.#fd, bytes);
    this.#waitingBytes -= written;
    if (written < bytes.length) this.#waiting[0] = bytes.subarray(written);
    else this.#waiting.shift();
    if (this.#waiting.length === 0 && this.#lost > 0) this.#logLost();
  }

  #failed(code: string): void {
    if (FULL.has(code)) {
      this.#retry = setTimeout(() => this.#drain(), RETRY_MS).unref();
      return;
    }
    this.#gone = GONE.has(code);
    // After an error that does not mean that the reader is gone, such as a full disk, this line is dropped and the next line is
    // tried.
    const dropped = this.#gone ? this.#waiting.splice(0) : this.#waiting.splice(0, 1);
    for (const { length } of dropped) this.#waitingBytes -= length;
  }

  #logLost(): void {
    const line = { level: "warn", time: new Date().toISOString(), lost: this.#lost, msg: "log lines lost" };
    this.#lost = 0;
    this.#keep(Buffer.from(`${JSON.stringify(line)}\n`));
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/** Standard output. All logs share this one output, so that their lines keep their order. */
export const standardOutput = new LogOutput({ fd: 1 });
process.once("exit", () => standardOutput.flush());
