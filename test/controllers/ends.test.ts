import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import type { Operator } from "../../src/controllers/operator.ts";
import { signatureKey } from "../../src/routes/signature-states.ts";
import { eventually } from "../support/eventually.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import { ACCOUNT, DEMO_URL, TOKEN } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

// Former tokens, routes and URLs stay valid for a while after they were replaced. Then they end without any action of a
// user. The clock of the operator skips that time, while operator and receiver go on running.
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
let world: World;
let clock: SkippingClock;

beforeEach(async () => {
  clock = new SkippingClock();
  world = await World.start({ clock });
});
afterEach(() => world.stop());

const account = () => world.simulator.state.accounts.get(ACCOUNT)!;

/** Creates a secondary token, as an administrator does at Twilio, and returns it. */
async function secondaryToken(): Promise<string> {
  const response = await fetch(`${world.simulator.url}/accounts/v1/AuthTokens/Secondary`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${ACCOUNT}:${TOKEN}`).toString("base64")}` },
  });
  return ((await response.json()) as { secondary_auth_token: string }).secondary_auth_token;
}

/** The status codes with which the receiver answers a text that Twilio signs with this token. */
async function signedWith(token: string): Promise<(number | null)[]> {
  const { authToken } = account();
  account().authToken = token;
  try {
    return [...new Set((await world.text()).attempts.map(({ status }) => status ?? null))];
  } finally {
    account().authToken = authToken;
  }
}

const keyOf = async (token: string) => {
  const { fingerprint } = await signatureKey(token);
  const routes = world.routes.find(`${world.namespace}/support`);
  return routes.flatMap(({ keys }) => keys).find((key) => key.fingerprint === fingerprint);
};
const overwritten = async (next: string) => {
  await world.secret({ authToken: next });
  await eventually("the receiver knows both tokens", async () =>
    (await keyOf(next)) !== undefined && (await keyOf(TOKEN))?.notAfterMs !== undefined ? true : undefined,
  );
};
const forgotten = (token: string) =>
  eventually("the token is compiled away", async () =>
    (await keyOf(token)) === undefined ? true : undefined,
  );

describe("a token that was replaced in the Secret", () => {
  test("is no longer accepted a day later when Twilio never signs with the new token", async () => {
    world.startOperator();
    await world.wired();
    await overwritten(await secondaryToken());
    clock.skip(24 * HOUR - MINUTE);
    expect(await signedWith(TOKEN)).toEqual([200]);
    clock.skip(2 * MINUTE);
    expect(await signedWith(TOKEN)).toEqual([403]);
    await forgotten(TOKEN);
    await world.numberIs("line", { Ready: "True" });
  });

  test("is no longer accepted an hour after the first text that was signed with the new token", async () => {
    world.startOperator({ databaseUrl: world.databaseUrl });
    await world.wired();
    const next = await secondaryToken();
    await overwritten(next);
    clock.skip(5 * HOUR);
    expect(await signedWith(next)).toEqual([200]);
    // The receiver writes its report to the database, and the controller reads it from there.
    const { fingerprint } = await signatureKey(next);
    await eventually("the receiver has reported the text", async () => {
      clock.skip(MINUTE);
      return (await acceptedTokens()).includes(fingerprint) ? true : undefined;
    });
    const end = await eventually("the former token has an end within the hour", async () => {
      clock.skip(MINUTE);
      const { notAfterMs = Number.POSITIVE_INFINITY } = (await keyOf(TOKEN)) ?? {};
      return notAfterMs < clock.now() + HOUR ? notAfterMs : undefined;
    });
    expect(await signedWith(TOKEN)).toEqual([200]);
    clock.skip(end - clock.now() + 1000);
    expect(await signedWith(TOKEN)).toEqual([403]);
    expect(await signedWith(next)).toEqual([200]);
    await forgotten(TOKEN);
  });

  test("is no longer accepted by the receiver a day later even while no operator is running", async () => {
    world.startOperator();
    await world.wired();
    await overwritten(await secondaryToken());
    await world.stopOperators();
    clock.skip(24 * HOUR - MINUTE);
    expect(await signedWith(TOKEN)).toEqual([200]);
    clock.skip(2 * MINUTE);
    expect(await signedWith(TOKEN)).toEqual([403]);
  });
});

describe("the route of a deleted stream without numbers", () => {
  const deleted = async (): Promise<Operator> => {
    const operator = world.startOperator();
    await world.wired({ deletionPolicy: "Retain" });
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    await world.client.delete(workStreams, { namespace: world.namespace, name: "support" });
    return operator;
  };
  const unneeded = (operator: Operator) =>
    eventually("the route is marked", () => {
      clock.skip(MINUTE);
      const [route] = operator.records.routes();
      return route?.unneededSinceMs;
    });

  test("is kept for an hour and then removed", async () => {
    const operator = await deleted();
    const since = await unneeded(operator);
    clock.skip(since + HOUR - MINUTE - clock.now());
    expect((await world.text()).outcome).toBe("delivered");
    expect([...operator.records.routes()]).toHaveLength(1);
    await eventually("the route is gone", () => {
      clock.skip(MINUTE);
      return [...operator.records.routes()].length === 0 ? true : undefined;
    });
    await eventually("the receiver has forgotten it", () =>
      world.routes.find(`${world.namespace}/support`).length === 0 ? true : undefined,
    );
    expect((await world.text()).attempts.map(({ status }) => status)).toContain(403);
  });

  test("stays when its stream is created again within the hour", async () => {
    const operator = await deleted();
    const since = await unneeded(operator);
    clock.skip(since + HOUR - MINUTE - clock.now());
    await world.stream();
    await world.streamIs("support", { Ready: "True" });
    await eventually("the mark is gone", () => {
      clock.skip(MINUTE);
      const [route] = operator.records.routes();
      return route !== undefined && route.unneededSinceMs === undefined ? true : undefined;
    });
    for (let minutes = 0; minutes < 120; minutes += 20) {
      clock.skip(20 * MINUTE);
      expect((await world.text()).outcome).toBe("delivered");
    }
  });
});

test("a claim ends after a user has removed the SmsNumber's finalizer, and the saved webhook is kept for ninety days", async () => {
  const operator = world.startOperator();
  await world.wired();
  expect(await world.previousWebhooks()).toHaveLength(1);
  const line = { namespace: world.namespace, name: "line" };
  // A running operator would put the finalizer back.
  await world.stopOperators();
  await world.client.patch(smsNumbers, line, { metadata: { finalizers: null } });
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  const next = world.startOperator();
  expect([...operator.records.claims()]).toHaveLength(1);
  await eventually("the claim is gone", async () => {
    clock.skip(MINUTE);
    return [...next.records.claims()].length === 0 ? true : undefined;
  });
  expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
  // The number's former webhook is kept, in case the number gets an SmsNumber again. It is deleted after ninety days,
  // because a URL can contain a password.
  await eventually("it is counted", async () =>
    (await world.metric("smschannel_finalizer_gave_up_total")) === 1 ? true : undefined,
  );
  const { sid } = world.atTwilio();
  const kept = [expect.stringContaining(sid.toLowerCase())];
  await eventually("it is kept for the number alone", async () =>
    (await world.previousWebhooks()).length === 1 ? true : undefined,
  );
  expect(await world.previousWebhooks()).toEqual(kept);
  clock.skip(89 * 24 * HOUR);
  clock.skip(2 * MINUTE);
  expect(await world.previousWebhooks()).toEqual(kept);
  await eventually("the saved webhook is deleted", async () => {
    clock.skip(HOUR);
    return (await world.previousWebhooks()).length === 0 ? true : undefined;
  });
  expect(next.records.allOwed()).toEqual([]);
});

test("texts to a former PUBLIC_URL are refused an hour after the last number has left that URL", async () => {
  world.startOperator();
  await world.wired();
  const { former, url } = await world.changePublicUrl();
  await eventually("the number points at the new URL", () =>
    world.atTwilio().smsUrl.startsWith(url) ? true : undefined,
  );
  const end = await eventually("the former URL has an end", () => {
    // The operator notes at the next resync of the stream at the latest that the former URL is not used any more.
    clock.skip(MINUTE);
    const [route] = world.operators[0]!.operator.records.routes();
    const replaced = route?.urls.find(({ replacedAtMs }) => replacedAtMs !== undefined);
    return replaced === undefined ? undefined : replaced.replacedAtMs! + HOUR;
  });
  // Another number of the same account still has the former URL in its webhook.
  Object.assign(world.atTwilio("14252306550"), {
    smsUrl: `${former}/inbound/${world.namespace}/support`,
    smsFallbackUrl: "",
  });
  const answers = async () => (await world.text("14252306550")).attempts.map(({ status }) => status);
  clock.skip(end - MINUTE - clock.now());
  expect(await answers()).toEqual([200]);
  clock.skip(2 * MINUTE);
  await eventually("the receivers have forgotten the former URL", () => {
    // A resync that was under way when the clock skipped may still keep the former URL, so one more resync can be
    // needed.
    clock.skip(MINUTE);
    const routes = world.routes.find(`${world.namespace}/support`);
    return routes.every(({ urls }) => urls.length === 1) ? true : undefined;
  });
  expect(await answers()).toContain(403);
  expect((await world.text()).outcome).toBe("delivered");
});

test("texts to a former PUBLIC_URL are accepted while an observed number points at that URL", async () => {
  world.startOperator();
  await world.wired();
  await world.number({ managementPolicy: "Observe" });
  await world.numberIs("line", { Ready: "True" });
  const { former } = await world.changePublicUrl();
  const { records } = world.operators[0]!.operator;
  await world.numberIs("line", { Ready: "Observing" });
  const urls = await eventually("the route has both URLs", () => {
    const [route] = records.routes();
    return route?.urls.length === 2 ? route.urls : undefined;
  });
  expect(urls[1]).toMatchObject({ inbound: `${former}/inbound/${world.namespace}/support` });
  expect(urls[1]).not.toHaveProperty("replacedAtMs");
  for (let minutes = 0; minutes < 120; minutes += 20) {
    clock.skip(20 * MINUTE);
    expect((await world.text()).outcome).toBe("delivered");
  }
  expect(world.atTwilio().smsUrl).toContain(former);
});

/** The fingerprints of the tokens for which the receivers have reported texts. */
async function acceptedTokens(): Promise<string[]> {
  const database = new pg.Client(world.databaseUrl);
  await database.connect();
  try {
    const { rows } = await database.query("select accepted from smschannel.route_activity");
    return rows.flatMap(({ accepted }) => Object.keys(accepted));
  } finally {
    await database.end();
  }
}

test("a deletion that was requested while no operator ran is tried again after a fault of Twilio", async () => {
  world.startOperator();
  await world.wired();
  await world.stopOperators();
  await world.deleteNumber();
  clock.skip(HOUR);
  const operation = "FetchIncomingPhoneNumber";
  world.simulator.control.faults({ kind: "status", status: 503, operation });
  world.simulator.control.clearRequests();
  world.startOperator();
  // The operator sends a failing read three times before the attempt fails. So the fourth request belongs to the second
  // attempt of the finalizer.
  const tried = () => world.simulator.control.requests().filter((each) => each.operation === operation);
  await eventually("it tries again", () => (tried().length > 3 ? true : undefined));
  world.simulator.control.clearFaults();
  await world.gone(smsNumbers, "line");
  expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
  expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(0);
});
