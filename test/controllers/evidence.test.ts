import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { watchEvidence } from "../../src/controllers/evidence/evidence.ts";
import { migrate } from "../../src/inbox/migrate.ts";
import { PostgresStore } from "../../src/inbox/store.ts";
import { silentLog } from "../../src/log.ts";
import { newDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

async function migrated(): Promise<string> {
  const url = await newDatabase();
  await migrate({ url, waitMs: 10_000, log: silentLog, clock: systemClock });
  return url;
}

test("each poll for evidence asks for the database URL again, because the URL may have changed", async () => {
  const [before, after] = [await migrated(), await migrated()];
  const store = new PostgresStore({ url: after, statementTimeoutMs: 3000, log: silentLog });
  await store.insertEvidence([
    { namespaceUid: "u", stream: "s", accountSid: "AC1", replica: "r", accepted: { one: Date.now() } },
  ]);
  await store.close();
  // The clock is not behind the report, since a time in the future counts as now and would be news at each poll.
  const clock = new ManualClock(Date.now());
  let url = before;
  let asked = 0;
  const changed: string[] = [];
  const activity = watchEvidence({
    databaseUrl: async () => {
      asked++;
      return url;
    },
    clock,
    log: silentLog,
    onChange: (key) => changed.push(key),
    onSilent: () => {},
  });
  await eventually("the first look", () => (asked > 0 ? true : undefined));
  expect(changed).toEqual([]);
  url = after;
  await eventually("the activity in the other database", async () => {
    await clock.advance(30_000);
    return changed.length > 0 ? true : undefined;
  });
  expect(changed).toEqual(["u/s/AC1"]);
  await activity.stop();
});
