import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { createLog } from "../log.ts";
import { SchemaSeen } from "./schema-seen.ts";

/** Makes a store that gives these results in turn, one result for each try to connect. */
function setup(...answers: (Error | undefined)[]) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    process: "test",
    destination: { write: (line) => void lines.push(line) },
  });
  let looks = 0;
  const store = {
    async connect() {
      const answer = answers[Math.min(looks++, answers.length - 1)];
      if (answer !== undefined) throw answer;
    },
  };
  const schema = new SchemaSeen({ store, clock, log });
  return { schema, clock, stop, lines, looks: () => looks, looking: schema.look(stop.signal) };
}

const failed = (code: string) => Object.assign(new Error("said by the server"), { code });
const unfit = Object.assign(new Error("the schema is not there"), { name: "SchemaError" });

test("a receiver is not ready and says why until the database schema fits, and is ready from then on", async () => {
  const { schema, clock, looking } = setup(failed("ECONNREFUSED"), failed("28P01"), unfit, undefined);
  await clock.advance(0);
  expect(schema.problem()).toBe("the database does not answer (ECONNREFUSED)");
  await clock.advance(1000);
  expect(schema.problem()).toBe(
    "the database refuses the receiver's role (28P01): wrong password, or no such role",
  );
  await clock.advance(1000);
  expect(schema.problem()).toBe("the schema is not there");
  await clock.advance(1000);
  await looking;
  expect(schema.problem()).toBeUndefined();
});

test("a database error without a code is reported in our own words, not in those of the driver", async () => {
  const { schema, clock, looking } = setup(
    new Error("SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string"),
    new Error("The server does not support SSL connections"),
    new Error("timeout expired"),
    undefined,
  );
  await clock.advance(0);
  expect(schema.problem()).toBe("the database asks for a password, and DATABASE_URL has none");
  await clock.advance(1000);
  expect(schema.problem()).toContain("does not speak TLS");
  await clock.advance(1000);
  expect(schema.problem()).toBe("the database does not answer (no answer in time)");
  await clock.advance(1000);
  await looking;
});

test("a database problem that lasts is logged every 30 s, not at every try", async () => {
  const { clock, stop, lines, looks, looking } = setup(failed("ECONNREFUSED"));
  await clock.advance(65_000);
  expect([looks(), lines.filter((line) => line.includes("store is not ready")).length]).toEqual([66, 3]);
  stop.abort();
  await looking;
});
