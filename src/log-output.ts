import { writeSync } from "node:fs";

/** So much is kept for a reader who is slow; what comes beyond it is counted and lost. */
const MOST_WAITING_BYTES = 1024 * 1024;
const RETRY_MS = 20;
/** At the end of the process a slow reader is waited for, but not for ever. */
const FLUSH_MS = 500;
/** Nobody will ever read: the pipe's other end, the terminal or the file descriptor is gone. */
const GONE = new Set(["EPIPE", "EIO", "EBADF", "ECONNRESET"]);
/** A pipe that does not block and is full. */
const FULL = new Set(["EAGAIN", "EBUSY"]);

type WriteBytes = (fd: number, bytes: Buffer) => number;

export interface LogOutputOptions {
  fd: number;
  write?: WriteBytes;
}

/**
 * Log lines to a file descriptor, at once where it takes them. pino's own output tries for ever to write what is left to a reader
 * who is gone, while nothing else can run: a process that was told to stop did not. Here a reader who is gone ends the logging
 * and nothing else, and a slow one costs lines, not the process.
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

  /** For the end of the process: waits for a slow reader, with everything else standing still. */
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
    if (this.#waiting.length === 0 && this.#lost > 0) this.#tellLost();
  }

  #failed(code: string): void {
    if (FULL.has(code)) {
      this.#retry = setTimeout(() => this.#drain(), RETRY_MS).unref();
      return;
    }
    this.#gone = GONE.has(code);
    // A full disk, say: this line is lost, the next one is tried again.
    const dropped = this.#gone ? this.#waiting.splice(0) : this.#waiting.splice(0, 1);
    for (const { length } of dropped) this.#waitingBytes -= length;
  }

  #tellLost(): void {
    const told = { level: "warn", time: new Date().toISOString(), lost: this.#lost, msg: "log lines lost" };
    this.#lost = 0;
    this.#keep(Buffer.from(`${JSON.stringify(told)}\n`));
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/** Standard output, shared by all logs of the process. */
export const standardOutput = new LogOutput({ fd: 1 });
process.once("exit", () => standardOutput.flush());
