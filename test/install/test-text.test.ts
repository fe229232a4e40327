import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { migrate } from "../../src/inbox/migrate.ts";
import { secrets } from "../../src/kube/resource.ts";
import { silentLog } from "../../src/log.ts";
import { eventually } from "../support/eventually.ts";
import { World } from "../support/world.ts";
import { command } from "./command.ts";

// `helm test` runs `smschannel test-text`, which passes when texts arrive and fails when they do not.

let world: World;
let env: Record<string, string>;

beforeAll(async () => {
  world = await World.start({ config: { testRoute: true } });
  const receiver = { name: `receiver_${randomBytes(4).toString("hex")}`, password: "x" };
  const options = { waitMs: 10_000, log: silentLog, clock: systemClock };
  await migrate({ ...options, url: world.databaseUrl, roles: { receiver, create: true } });
  const url = new URL(world.databaseUrl);
  url.username = receiver.name;
  url.password = receiver.password;
  world.startOperator();
  const account = await eventually("the test account's Secret", () => testSecret());
  const text = (key: string) => Buffer.from(account[key]!, "base64").toString();
  env = {
    OPERATOR_NAMESPACE: world.operatorNamespace,
    PUBLIC_URL: world.publicUrl,
    DATABASE_URL: url.href,
    TEST_ACCOUNT_SID: text("accountSid"),
    TEST_AUTH_TOKEN: text("authToken"),
  };
});
afterAll(() => world.stop());

const testSecret = async () =>
  (await world.client.get(secrets, { namespace: world.operatorNamespace, name: "test-test" }))?.data;

const run = (more: Record<string, string> = {}) => command(["test-text"], { ...env, ...more });

test("test-text passes when its text arrives, and this text belongs to no stream of a user", async () => {
  const before = (await world.stored()).length;
  const { code, output } = await run();
  expect(output.split("\n")).toEqual([
    "ok      a signed text was accepted",
    "ok      a text with a wrong signature was refused",
    "ok      the accepted text is in the database",
    "ok      the refused text is not in the database",
    "",
  ]);
  expect(code).toBe(0);
  expect((await world.stored()).slice(before)).toEqual([
    { stream: "_test", kind: "unrouted", namespace_uid: "release-test" },
  ]);
});

test("test-text can send its text to another URL, with the signature for the public URL", async () => {
  const other = await world.startReceiver();
  expect(await run({ RECEIVER_URL: other.url })).toMatchObject({ code: 0 });
  await other.stop();
  expect(await run({ RECEIVER_URL: other.url, WAIT: "1s" })).toEqual({
    code: 1,
    output: "FAILED  the receiver does not answer (ECONNREFUSED)\n",
  });
});

test("test-text uses the port of RECEIVER_URL, whatever port the public URL has", async () => {
  const other = await world.startReceiver();
  const { output } = await run({
    PUBLIC_URL: "https://sms.example.com:8443",
    RECEIVER_URL: other.url,
    WAIT: "1s",
  });
  // The answer is 403, because the signature is for another URL than the route's. What counts here is which server answers.
  expect(output).toBe(`FAILED  a signed text is answered with 403 by ${new URL(other.url).origin}\n`);
  expect(
    (await run({ PUBLIC_URL: "https://sms.example.com:8443", RECEIVER_URL: "http://127.0.0.1", WAIT: "1s" }))
      .output,
  ).toBe("FAILED  the receiver does not answer (ECONNREFUSED)\n");
  await other.stop();
});

test("test-text fails when its token is wrong, and when another server answers in place of the receiver", async () => {
  expect(await run({ TEST_AUTH_TOKEN: "wrong", WAIT: "1s" })).toEqual({
    code: 1,
    output: `FAILED  a signed text is answered with 403 by ${world.publicUrl}\n`,
  });
  expect((await run({ RECEIVER_URL: world.simulator.url, WAIT: "1s" })).output).toMatch(
    /^FAILED {2}a signed text is answered with 40\d by /,
  );
});

test("test-text fails when it reads another database than the one in which the text is stored", async () => {
  const elsewhere = await World.start();
  const { code, output } = await run({ DATABASE_URL: elsewhere.databaseUrl });
  await elsewhere.stop();
  expect([code, output]).toEqual([
    1,
    expect.stringContaining("FAILED  the text that was accepted is not in the database"),
  ]);
});

test("the account of test-text survives a restart of the controller, and its route exists beside users' routes", async () => {
  const before = await testSecret();
  await world.stopOperators();
  world.startOperator();
  await world.wired();
  expect(await testSecret()).toEqual(before);
  expect(world.routes.size).toBe(2);
  expect(await run()).toMatchObject({ code: 0 });
});
