import { stat } from "node:fs";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { systemClock } from "../clock.ts";
import { createLog, type Log, silentLog } from "../log.ts";
import type { InboxRow } from "./rows.ts";
import { type InboxStore, NotKeptError } from "./store.ts";
import { BYTES_BESIDE_BODY, InboxWriter, type WriteOutcome } from "./writer.ts";

/** A store that fails, hangs or leaves out rows as the test says, and records its statements. */
class FakeStore implements InboxStore {
  readonly statements: string[][] = [];
  readonly stored = new Set<string>();
  fail: (rows: readonly InboxRow[]) => string | undefined = () => undefined;
  leaveOut: (messageSid: string) => boolean = () => false;
  hang = false;
  dropped = 0;
  closed = 0;
  #hanging: ((error: Error) => void) | undefined;
  #answer: (() => void) | undefined;

  async insert(rows: readonly InboxRow[]): Promise<number> {
    this.statements.push(rows.map((row) => row.messageSid));
    if (this.hang)
      await new Promise<void>((resolve, reject) => {
        this.#hanging = reject;
        this.#answer = resolve;
      });
    const code = this.fail(rows);
    if (code !== undefined) throw Object.assign(new Error("the test made it fail"), { code });
    const before = this.stored.size;
    const missing = rows.flatMap(({ messageSid }, place) => (this.leaveOut(messageSid) ? [place] : []));
    rows.forEach((row, place) => {
      if (!missing.includes(place)) this.stored.add(row.messageSid);
    });
    const inserted = this.stored.size - before;
    if (missing.length > 0) throw new NotKeptError(inserted, missing);
    return inserted;
  }
  async insertEvidence() {}
  async probe() {}
  /** Ends every trouble of the store, and lets a statement that hangs succeed. */
  recover() {
    this.fail = () => undefined;
    this.hang = false;
    this.#answer?.();
  }
  drop() {
    this.dropped++;
    this.#hanging?.(new Error("dropped"));
  }
  async close() {
    this.closed++;
  }
}

const row = (messageSid: string): InboxRow => ({
  kind: "inbound",
  namespaceUid: "u",
  stream: "s",
  generation: 1,
  accountSid: "AC1",
  messageSid,
  event: "",
  ourNumber: "1",
  customer: "2",
  query: null,
  body: Buffer.from(`MessageSid=${messageSid}`),
  signature: messageSid,
});

function setup({ mostWaitingBytes, log = silentLog }: { mostWaitingBytes?: number; log?: Log } = {}) {
  const [store, clock] = [new FakeStore(), new ManualClock()];
  const outcomes: Record<string, WriteOutcome[]> = {};
  const reported: [rows: number, inserted: number][] = [];
  const onStored = (rows: number, inserted: number) => void reported.push([rows, inserted]);
  const writer = new InboxWriter({
    store,
    clock,
    log,
    budgetMs: 3000,
    onStored,
    ...(mostWaitingBytes === undefined ? {} : { mostWaitingBytes }),
  });
  const write = (...sids: string[]) => {
    for (const sid of sids)
      writer.write(row(sid), (outcome) => {
        outcomes[sid] = [...(outcomes[sid] ?? []), outcome];
      });
  };
  return { store, clock, writer, outcomes, write, reported };
}

describe("the inbox writer", () => {
  test("stores rows that arrive together in one statement, in an order that is the same in every replica", async () => {
    const { store, clock, outcomes, write } = setup();
    write("c", "a", "b");
    await clock.advance(0);
    expect(store.statements).toEqual([["a", "b", "c"]]);
    expect(outcomes).toEqual({ a: ["stored"], b: ["stored"], c: ["stored"] });
  });

  test("stores a bad row as raw bytes and the other rows of the batch normally", async () => {
    const { store, clock, outcomes, write } = setup();
    store.fail = (rows) => (rows.some(({ messageSid }) => messageSid === "bad") ? "22021" : undefined);
    write("a", "bad", "c");
    await clock.advance(0);
    expect(outcomes).toEqual({ a: ["stored"], bad: ["raw"], c: ["stored"] });
    expect([...store.stored].filter((sid) => sid.startsWith("sha256:"))).toHaveLength(1);
  });

  test("reports a text that the store left out, does not try it again, and stores the other texts", async () => {
    const { store, clock, outcomes, write, reported } = setup();
    store.leaveOut = (messageSid) => messageSid === "b";
    write("a", "b", "c");
    await clock.advance(0);
    expect(outcomes).toEqual({ a: ["stored"], b: ["notKept"], c: ["stored"] });
    await clock.advance(5000);
    expect([store.statements.length, reported]).toEqual([1, [[2, 2]]]);
  });

  test("stores a row as raw bytes also after an error of SQLSTATE class 54 or 23", async () => {
    for (const code of ["54000", "23514"]) {
      const { store, clock, outcomes, write } = setup();
      store.fail = (rows) => (rows.some(({ messageSid }) => messageSid === "bad") ? code : undefined);
      write("bad");
      await clock.advance(0);
      expect(outcomes).toEqual({ bad: ["raw"] });
    }
  });
});

describe("a store that fails or hangs", () => {
  test("is tried again, and a text is stored when the store takes it in time", async () => {
    const { store, clock, outcomes, write } = setup();
    store.fail = () => "53100";
    write("a");
    await clock.advance(2000);
    expect(outcomes).toEqual({});
    store.fail = () => undefined;
    await clock.advance(900);
    expect(outcomes).toEqual({ a: ["stored"] });
  });

  test("is logged once with its cause, and again when the cause changes or when the store fails again after a recovery", async () => {
    const lines: Record<string, string>[] = [];
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
    const { store, clock, write } = setup({
      log: createLog({ level: "info", process: "test", destination }),
    });
    store.fail = () => "ECONNREFUSED";
    write("a");
    await clock.advance(1000);
    store.fail = () => "28P01";
    await clock.advance(1000);
    // A cause that was logged less than 30 s ago is not logged again when it comes back.
    store.fail = () => "ECONNREFUSED";
    await clock.advance(500);
    store.fail = () => undefined;
    await clock.advance(400);
    store.fail = () => "ECONNREFUSED";
    write("b");
    await clock.advance(100);
    expect(lines.map(({ code, msg }) => [msg, code])).toEqual([
      ["store does not take texts", "ECONNREFUSED"],
      ["store does not take texts", "28P01"],
      ["store takes texts again", undefined],
      ["store does not take texts", "ECONNREFUSED"],
    ]);
  });

  test("makes no text wait beyond its own deadline, and each text gets one outcome", async () => {
    const { store, clock, outcomes, write } = setup();
    store.fail = () => "57P01";
    write("a");
    await clock.advance(2000);
    write("b");
    await clock.advance(1100);
    expect(outcomes).toEqual({ a: ["late"] });
    await clock.advance(2000);
    expect(outcomes).toEqual({ a: ["late"], b: ["late"] });
  });

  test("lets as many texts wait as the memory limit allows, and turns other texts away immediately", async () => {
    const { store, clock, outcomes, write } = setup({
      mostWaitingBytes: 2 * (BYTES_BESIDE_BODY + row("second").body.length),
    });
    store.fail = () => "ECONNREFUSED";
    write("first");
    await clock.advance(100);
    write("second", "third");
    expect(outcomes).toEqual({ third: ["overloaded"] });
    // A text that has waited too long frees its memory.
    await clock.advance(3000);
    write("fourth");
    expect(outcomes).toEqual({ first: ["late"], second: ["late"], third: ["overloaded"] });
  });

  test("lets the writer hold fewer texts when their bodies are large, and the writer refuses the rest", async () => {
    const { store, clock, outcomes, writer, write } = setup({
      mostWaitingBytes: 2 * BYTES_BESIDE_BODY + 100_000,
    });
    store.fail = () => "ECONNREFUSED";
    writer.write({ ...row("large"), body: Buffer.alloc(100_000) }, (outcome) => {
      outcomes.large = [outcome];
    });
    await clock.advance(100);
    write("small");
    expect(outcomes).toEqual({ small: ["overloaded"] });
  });

  test("is disconnected when it still does not answer after the text was given up", async () => {
    const { store, clock, outcomes, write } = setup();
    store.hang = true;
    write("a");
    await clock.advance(3100);
    expect(outcomes).toEqual({ a: ["late"] });
    await clock.advance(1000);
    expect(store.dropped).toBe(1);
    store.recover();
    write("b");
    await clock.advance(1000);
    expect(outcomes).toEqual({ a: ["late"], b: ["stored"] });
  });
});

describe("an outage of the store for some seconds loses no text, because Twilio still retries when the store is back", () => {
  const rows: Record<string, { awayMs: number; perSecond: number; away: (store: FakeStore) => void }> = {
    "50 texts a second, and the store refuses for 10 s": { awayMs: 10_000, perSecond: 50, away: refusing },
    "50 texts a second, and the store is silent for 10 s": { awayMs: 10_000, perSecond: 50, away: silent },
    "500 texts a second, and the store refuses for 10 s": { awayMs: 10_000, perSecond: 500, away: refusing },
    "500 texts a second, and the store refuses for less time than a text may wait": {
      awayMs: 2500,
      perSecond: 500,
      away: refusing,
    },
  };
  for (const [name, { awayMs, perSecond, away }] of Object.entries(rows))
    test(name, async () => {
      const { store, clock, writer } = setup();
      const twilio = new RetryingTwilio((sid, done) => writer.write(row(sid), done));
      const betweenMs = 1000 / perSecond;
      // The loop runs one second before the outage, the outage itself, and the time until the last text must have been stored.
      for (let atMs = 0; atMs < awayMs + 16_000; atMs += betweenMs) {
        if (atMs >= 1000 && atMs < 1000 + awayMs) away(store);
        else store.recover();
        if (atMs < awayMs + 2000) twilio.send(`SM${atMs}`);
        await clock.advance(betweenMs);
      }
      const sent = Math.ceil((awayMs + 2000) / betweenMs);
      expect({ ...twilio.counts, stored: store.stored.size }).toEqual({
        delivered: sent,
        givenUp: 0,
        stored: sent,
      });
    });
});

const refusing = (store: FakeStore) => {
  store.fail = () => "ECONNREFUSED";
};
const silent = (store: FakeStore) => {
  store.hang = true;
};

/** Sends a text again after each 503, as our webhook URLs ask Twilio to: three tries at the inbound URL, then three at the fallback URL. */
class RetryingTwilio {
  readonly counts = { delivered: 0, givenUp: 0 };
  readonly #write: (sid: string, done: (outcome: WriteOutcome) => void) => void;

  constructor(write: (sid: string, done: (outcome: WriteOutcome) => void) => void) {
    this.#write = write;
  }

  send(sid: string, attemptsLeft = 6) {
    if (attemptsLeft === 0) this.counts.givenUp++;
    else
      this.#write(sid, (outcome) => {
        if (outcome === "stored") this.counts.delivered++;
        else this.send(sid, attemptsLeft - 1);
      });
  }
}

test("a text is not late when the answer of the database came while the process was blocked", async () => {
  const store = new FakeStore();
  store.insert = () =>
    new Promise((resolve) => {
      stat(".", () => resolve(1));
      const until = performance.now() + 300;
      while (performance.now() < until);
    });
  const writer = new InboxWriter({ store, clock: systemClock, log: silentLog, budgetMs: 100 });
  const outcome = await new Promise((resolve) => writer.write(row("a"), resolve));
  expect(outcome).toBe("stored");
  await writer.stop();
});

test("stop waits until every row is stored, closes the store and accepts no more rows", async () => {
  const { store, clock, writer, outcomes, write } = setup();
  write("a", "b");
  const stopped = writer.stop();
  await clock.advance(0);
  await stopped;
  expect(outcomes).toEqual({ a: ["stored"], b: ["stored"] });
  expect(store.closed).toBe(1);
  write("c");
  expect(outcomes.c).toEqual(["overloaded"]);
});
