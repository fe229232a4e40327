import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { LogFilter } from "./log-filter.ts";
import { asRaw, type InboxRow, inLockOrder } from "./rows.ts";
import { type InboxStore, isDataError, NotKeptError } from "./store.ts";
import { troubleOf } from "./trouble.ts";

/**
 * - `stored`: durable; now, or already before.
 * - `raw`: durable as bytes only.
 * - `late`: not known to be durable within the budget.
 * - `overloaded`: what waits already fills the memory that it may take; nothing was tried.
 * - `notKept`: the database reported success and does not have it.
 */
export type WriteOutcome = "stored" | "raw" | "late" | "overloaded" | "notKept";

export interface InboxWriterOptions {
  store: InboxStore;
  clock: Clock;
  log: Log;
  /** How long a row may wait, from `write` to durable. */
  budgetMs: number;
  /** What all waiting rows may take of the memory, each with its request and connection. */
  mostWaitingBytes?: number;
  /** Told after each statement: how many rows it was given, how many were new. */
  onStored?: (rows: number, inserted: number) => void;
}

interface WaitingRow {
  row: InboxRow;
  deadlineMs: number;
  /** Called once; undefined afterwards. */
  done: ((outcome: WriteOutcome) => void) | undefined;
}

/** Rows of one statement: more gain nothing, and one bad row makes us try the others one by one. */
const LARGEST_BATCH = 256;
const LARGEST_BATCH_BYTES = 4 * 1024 * 1024;
/**
 * What a row that waits takes beside its body: the row, its request and its answer. Measured with 4,500 waiting texts: 9 KiB
 * more than an idle connection takes.
 */
export const BYTES_BESIDE_BODY = 8 * 1024;
/** 7,500 texts of usual size: 500 a second for the 15 s that Twilio tries. A count would be filled by a second of load. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;
const TICK_MS = 50;
/** The longest is short beside the budget: a store that is back must not wait for us. */
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [50, 250];

/**
 * Group commit: while one statement is under way, rows gather for the next. A failing store is tried again and again for
 * as long as somebody waits, since Twilio's few retries would be gone in a second; each row waits until its own deadline.
 *
 * States: idle (nothing waits) → writing (a statement is under way) → idle, or pausing (it failed; then writing again).
 */
export class InboxWriter {
  readonly #options: InboxWriterOptions;
  readonly #notKept: LogFilter;
  readonly #failing: LogFilter;
  #queue: WaitingRow[] = [];
  #underWay: WaitingRow[] = [];
  #bytes = 0;
  #running: Promise<void> | undefined;
  #ticking = false;
  #stopped = false;

  constructor(options: InboxWriterOptions) {
    this.#options = options;
    this.#notKept = new LogFilter(options.clock);
    this.#failing = new LogFilter(options.clock);
  }

  /** Calls `done` exactly once, when the row is durable or its budget is over. */
  write(row: InboxRow, done: (outcome: WriteOutcome) => void): void {
    const { clock, budgetMs, mostWaitingBytes = MOST_WAITING_BYTES } = this.#options;
    const bytes = bytesOf(row);
    if (this.#stopped || this.#bytes + bytes > mostWaitingBytes) {
      done("overloaded");
      return;
    }
    this.#bytes += bytes;
    this.#queue.push({ row, done, deadlineMs: clock.monotonic() + budgetMs });
    this.#tick();
    this.#running ??= this.#run();
  }

  /** Waits until every row is settled, then closes the store. */
  async stop(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#stopped = true;
    await this.#options.store.close();
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    // What arrives in the same turn of the event loop goes into the first batch, too.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      this.#underWay = this.#take();
      try {
        await this.#store(this.#underWay);
        pauseMs = FIRST_PAUSE_MS;
        this.#recovered();
      } catch (error) {
        this.#failed(error);
        this.#queue.unshift(...this.#underWay.filter(({ done }) => done !== undefined));
        this.#underWay = [];
        await this.#options.clock.sleep(pauseMs);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
      this.#underWay = [];
    }
    this.#running = undefined;
  }

  #take(): WaitingRow[] {
    let count = 0;
    let bytes = 0;
    while (count < this.#queue.length && count < LARGEST_BATCH && bytes < LARGEST_BATCH_BYTES)
      bytes += this.#queue[count++]!.row.body.length;
    const batch = count === this.#queue.length ? this.#queue : this.#queue.slice(0, count);
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count);
    return batch.sort((a, b) => inLockOrder(a.row, b.row));
  }

  async #store(batch: WaitingRow[]): Promise<void> {
    try {
      await this.#insert(batch, "stored");
    } catch (error) {
      if (!isDataError(error)) throw error;
      for (const waiting of batch) if (waiting.done !== undefined) await this.#storeAlone(waiting);
    }
  }

  /** One row's data made the batch fail: the others are stored, and it is kept as the bytes that it came in. */
  async #storeAlone(waiting: WaitingRow): Promise<void> {
    try {
      await this.#insert([waiting], "stored");
    } catch (error) {
      if (!isDataError(error)) throw error;
      this.#options.log.warn(
        { code: codeOf(error), stream: waiting.row.stream },
        "text stored as raw bytes only",
      );
      await this.#insert([waiting], "raw", [asRaw(waiting.row)]);
    }
  }

  /** Stores, then settles each. */
  async #insert(
    batch: readonly WaitingRow[],
    outcome: "stored" | "raw",
    rows = batch.map(({ row }) => row),
  ): Promise<void> {
    const { inserted, missing } = await this.#insertRows(rows);
    this.#options.onStored?.(rows.length - missing.length, inserted);
    const notKept = new Set(missing);
    batch.forEach((waiting, place) => {
      this.#settle(waiting, notKept.has(place) ? "notKept" : outcome);
    });
  }

  /** The server ends a statement that takes too long; the timer is for a connection that went silent. */
  async #insertRows(rows: InboxRow[]): Promise<{ inserted: number; missing: readonly number[] }> {
    const { store, clock, budgetMs } = this.#options;
    const cancel = clock.after(budgetMs + 500, () => store.drop());
    try {
      return { inserted: await store.insert(rows), missing: [] };
    } catch (error) {
      if (!(error instanceof NotKeptError)) throw error;
      this.#tellNotKept(error);
      return error;
    } finally {
      cancel();
    }
  }

  /** Nothing is tried again here: whatever swallows a row does it each time. Twilio's retry is answered when it was mended. */
  #tellNotKept({ missing, message }: NotKeptError) {
    if (this.#notKept.isNews(message))
      this.#options.log.error({ texts: missing.length, problem: message }, "texts not kept");
  }

  #settle(waiting: WaitingRow, outcome: WriteOutcome) {
    const { done } = waiting;
    if (done === undefined) return;
    waiting.done = undefined;
    this.#bytes -= bytesOf(waiting.row);
    done(outcome);
  }

  /** One timer for all rows: 50 ms more or less do not matter, a timer per text does. */
  #tick() {
    if (this.#ticking) return;
    this.#ticking = true;
    // Timers come before the network in a turn of the event loop: after a pause of this process, or of the whole machine, the
    // store's answer may be there already, and its texts are not late.
    this.#options.clock.after(TICK_MS, () => setImmediate(() => this.#giveUpLate()));
  }

  #giveUpLate() {
    this.#ticking = false;
    const now = this.#options.clock.monotonic();
    for (const waiting of this.#underWay) if (waiting.deadlineMs <= now) this.#settle(waiting, "late");
    for (const waiting of this.#queue) if (waiting.deadlineMs <= now) this.#settle(waiting, "late");
    this.#queue = this.#queue.filter(({ done }) => done !== undefined);
    if (this.#queue.length > 0 || this.#underWay.length > 0) this.#tick();
  }

  #failed(error: unknown) {
    const { code, problem } = problemOf(error);
    if (this.#failing.isNews(code ?? problem))
      this.#options.log.error({ code, problem }, "store does not take texts");
  }

  #recovered() {
    if (this.#failing.isOver()) this.#options.log.info("store takes texts again");
  }
}

const bytesOf = (row: InboxRow) => row.body.length + BYTES_BESIDE_BODY;

const codeOf = (error: unknown) => (error as { code?: string }).code;

/** PostgreSQL's messages about data can quote it; the others say what is wrong with the server. */
function problemOf(error: unknown) {
  const { code, problem, lasts } = troubleOf(error, "the receiver's role");
  return { code, problem: lasts || isDataError(error) ? problem : (error as Error).message || problem };
}
