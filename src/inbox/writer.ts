import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { LogFilter } from "./log-filter.ts";
import { asRaw, type InboxRow, inLockOrder } from "./rows.ts";
import { type InboxStore, isDataError, NotKeptError } from "./store.ts";
import { troubleOf } from "./trouble.ts";

/**
 * What became of a row:
 * - `stored`: the row is durable, by this write or by an earlier write.
 * - `raw`: the row is durable as bytes only.
 * - `late`: the row has waited for `budgetMs`, and it is not known whether the row is durable.
 * - `overloaded`: the row was not written, because the memory for waiting rows is used up or the writer has stopped.
 * - `notKept`: the database reported success but does not have the row.
 */
export type WriteOutcome = "stored" | "raw" | "late" | "overloaded" | "notKept";

export interface InboxWriterOptions {
  store: InboxStore;
  clock: Clock;
  log: Log;
  /** How long a row may wait, from `write` until it is durable. */
  budgetMs: number;
  /** How much memory all waiting rows together may take, each with its request and its response. */
  mostWaitingBytes?: number;
  /** Called after each statement with the number of rows that it stored and how many of them were new. */
  onStored?: (rows: number, inserted: number) => void;
}

interface WaitingRow {
  row: InboxRow;
  deadlineMs: number;
  /** The function to call with the outcome. Undefined once it was called. */
  done: ((outcome: WriteOutcome) => void) | undefined;
}

/**
 * How many rows one statement stores at most. More rows gain nothing, and when one row is bad, all rows of the statement are tried one by
 * one.
 */
const LARGEST_BATCH = 256;
const LARGEST_BATCH_BYTES = 4 * 1024 * 1024;
/**
 * Memory that a waiting row takes in addition to its body: the row, its request and its response. Measured with 4,500 waiting texts, each
 * of which took 9 KiB more than an idle connection.
 */
export const BYTES_BESIDE_BODY = 8 * 1024;
/** The default of `mostWaitingBytes`, enough for 7,500 texts of usual size: 500 texts a second for the 15 s in which Twilio tries. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;
const TICK_MS = 50;
/**
 * The pauses between tries while the database fails. Even the longest pause is short compared to the time that a row may wait, so that
 * texts are stored soon after the database is back.
 */
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [50, 250];

/**
 * Stores rows by group commit: while one statement is under way, rows gather for the next one. While any row waits, a failing database is
 * tried again and again. If we answered with an error instead, the few retries of Twilio would be used up within a second. Each row waits
 * until its own deadline.
 *
 * States: idle (no row waits) → writing (a statement is under way) → idle, or pausing after a failure → writing.
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

  /**
   * Takes a row to store. Calls `done` exactly once with the outcome: immediately when there is no memory for the row, otherwise at the
   * latest shortly after `budgetMs` has passed.
   */
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

  /** Resolves when every row has its outcome and the store is closed. */
  async stop(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#stopped = true;
    await this.#options.store.close();
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    // This pause lets all rows that arrive in the same turn of the event loop join the first batch.
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

  /** Stores one row alone after a batch failed because of bad data. When this row is the bad one, it is stored as raw bytes. */
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

  /** Stores the rows in one statement and reports the outcome of each. */
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

  /**
   * Inserts the rows. The server itself ends a statement that takes too long, so the timer here is for a connection that died silently.
   */
  async #insertRows(rows: InboxRow[]): Promise<{ inserted: number; missing: readonly number[] }> {
    const { store, clock, budgetMs } = this.#options;
    const cancel = clock.after(budgetMs + 500, () => store.drop());
    try {
      return { inserted: await store.insert(rows), missing: [] };
    } catch (error) {
      if (!(error instanceof NotKeptError)) throw error;
      this.#logNotKept(error);
      return error;
    } finally {
      cancel();
    }
  }

  /**
   * Logs texts that the database did not keep. They are not tried again here, because whatever drops a row would drop it again. A retry of
   * Twilio succeeds once somebody has fixed the cause.
   */
  #logNotKept({ missing, message }: NotKeptError) {
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

  /** Starts the timer that all waiting rows share. It checks their deadlines every 50 ms, because a timer for each text would cost time. */
  #tick() {
    if (this.#ticking) return;
    this.#ticking = true;
    // We check the deadlines in setImmediate, because timers run before network input in a turn of the event loop. After a pause of this
    // process or of the whole machine, the answer of the database may have arrived already, and then the texts that it confirms are not
    // late.
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

/**
 * Describes a failure for the log. A message of PostgreSQL about data can quote that data, so we log our own text instead of the message.
 * Any other message of PostgreSQL is logged as it is, because it says best what is wrong with the server.
 */
function problemOf(error: unknown) {
  const { code, problem, lasts } = troubleOf(error, "the receiver's role");
  return { code, problem: lasts || isDataError(error) ? problem : (error as Error).message || problem };
}
