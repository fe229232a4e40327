import { describe, expect, test } from "vitest";
import { ManualClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import type { InboxRow } from "./rows.ts";
import type { InboxStore } from "./store.ts";
import { InboxWriter, type Outcome } from "./writer.ts";

/** A store that does what it is told, statement by statement. */
class FakeStore implements InboxStore {
  readonly statements: string[][] = [];
  readonly stored = new Set<string>();
  fail: (rows: readonly InboxRow[]) => string | undefined = () => undefined;
  hang = false;
  dropped = 0;
  closed = 0;
  #hanging: ((error: Error) => void) | undefined;

  async insert(rows: readonly InboxRow[]): Promise<number> {
    this.statements.push(rows.map((row) => row.messageSid));
    if (this.hang)
      await new Promise((_, reject) => {
        this.#hanging = reject;
      });
    const code = this.fail(rows);
    if (code !== undefined) throw Object.assign(new Error("told to fail"), { code });
    const before = this.stored.size;
    for (const row of rows) this.stored.add(row.messageSid);
    return this.stored.size - before;
  }
  async insertActivity() {}
  drop() {
    this.dropped++;
    this.hang = false;
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
});

function setup(waitingWhenDown = 500) {
  const [store, clock] = [new FakeStore(), new ManualClock()];
  const outcomes: Record<string, Outcome[]> = {};
  const writer = new InboxWriter({ store, clock, log: silentLog, budgetMs: 3000, waitingWhenDown });
  const write = (...sids: string[]) => {
    for (const sid of sids)
      writer.write(row(sid), (outcome) => {
        outcomes[sid] = [...(outcomes[sid] ?? []), outcome];
      });
  };
  return { store, clock, writer, outcomes, write };
}

describe("group commit", () => {
  test("what arrives together is one statement, in an order that is the same everywhere", async () => {
    const { store, clock, outcomes, write } = setup();
    write("c", "a", "b");
    await clock.advance(0);
    expect(store.statements).toEqual([["a", "b", "c"]]);
    expect(outcomes).toEqual({ a: ["stored"], b: ["stored"], c: ["stored"] });
  });

  test("one bad row is kept as raw bytes, the others as they are", async () => {
    const { store, clock, outcomes, write } = setup();
    store.fail = (rows) => (rows.some(({ messageSid }) => messageSid === "bad") ? "22021" : undefined);
    write("a", "bad", "c");
    await clock.advance(0);
    expect(outcomes).toEqual({ a: ["stored"], bad: ["raw"], c: ["stored"] });
    expect([...store.stored].filter((sid) => sid.startsWith("sha256:"))).toHaveLength(1);
  });

  test("a class 54 or 23 error is the row's fault, too", async () => {
    for (const code of ["54000", "23514"]) {
      const { store, clock, outcomes, write } = setup();
      store.fail = (rows) => (rows.some(({ messageSid }) => messageSid === "bad") ? code : undefined);
      write("bad");
      await clock.advance(0);
      expect(outcomes).toEqual({ bad: ["raw"] });
    }
  });
});

describe("a store that fails", () => {
  test("is tried again, and a text that it takes within the budget is stored", async () => {
    const { store, clock, outcomes, write } = setup();
    store.fail = () => "53100";
    write("a");
    await clock.advance(2000);
    expect(outcomes).toEqual({});
    store.fail = () => undefined;
    await clock.advance(900);
    expect(outcomes).toEqual({ a: ["stored"] });
  });

  test("each text waits out its own budget, and is told once", async () => {
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

  test("lets only so many wait, the rest is told at once", async () => {
    const { store, clock, outcomes, write } = setup(2);
    store.fail = () => "ECONNREFUSED";
    write("first");
    await clock.advance(100);
    write("second", "third");
    expect(outcomes).toEqual({ third: ["overloaded"] });
  });

  test("a connection that went silent is given up, and the text was answered before", async () => {
    const { store, clock, outcomes, write } = setup();
    store.hang = true;
    write("a");
    await clock.advance(3100);
    expect(outcomes).toEqual({ a: ["late"] });
    await clock.advance(1000);
    expect(store.dropped).toBe(1);
    write("b");
    await clock.advance(1000);
    expect(outcomes).toEqual({ a: ["late"], b: ["stored"] });
  });
});

test("stop waits for what is under way, closes the store, and takes nothing more", async () => {
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
