import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type SmsNumber, smsNumbers } from "../../src/api/index.ts";
import { systemClock } from "../../src/clock.ts";
import { PostgresStore } from "../../src/inbox/store.ts";
import { silentLog } from "../../src/log.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import { ACCOUNT, eventually, NUMBER, World } from "../support/world.ts";

// What somebody mends at Twilio is seen: at each resync while a number is not Ready because of it, at once when its object is touched.
const DROPPING = "14252306553";
const RESYNC_MS = 300_000;
/** Longer than a resync's jitter, and than the time between two extra readings of an account. */
const A_RESYNC_MS = RESYNC_MS * 1.11;
const BETWEEN_READINGS_MS = 10_000;

let world: World;
let clock: SkippingClock;
const begin = async () => {
  clock = new SkippingClock();
  world = await World.start({ clock, receiverClock: systemClock, config: { resyncIntervalMs: RESYNC_MS } });
  await world.secret();
};
const state = () => world.simulator.state;
const serviceOf = (number: string) => state().serviceOf(world.atTwilio(number).sid)!;
const calls = (name: string) =>
  world.simulator.control.requests().filter(({ operation }) => operation === name).length;

interface Row {
  number: string;
  spec?: Partial<SmsNumber["spec"]>;
  before: Record<string, string>;
  mend(): void;
}
const CODE = { type: "ShortCode" as const };
const replies = (["OptOutConfirmation", "OptInConfirmation", "Help"] as const).map((trigger) => ({
  trigger,
  text: "Contoso: ok",
}));
const rows: Record<string, Row> = {
  "a service that dropped texts defers to the number": {
    number: DROPPING,
    before: { InboundUrlReady: "MessagingServiceDropsInbound" },
    mend: () => {
      serviceOf(DROPPING).useInboundWebhookOnNumber = true;
    },
  },
  "the number leaves a service that sent its texts elsewhere": {
    number: "14252306555",
    before: { InboundUrlReady: "MessagingServiceOverrides" },
    mend: () => void state().pool.delete(world.atTwilio("14252306555").sid),
  },
  "a Conversations address no longer takes its texts": {
    number: "14252306556",
    before: { InboundUrlReady: "ConversationsOverrides" },
    mend: () => {
      for (const { sid } of [...state().addresses]) state().addresses.remove(sid);
    },
  },
  "a short code is added to the account": {
    number: "55501",
    spec: { ...CODE, automatedMessages: replies },
    before: { NumberFound: "NumberNotInAccount" },
    mend: () => void state().addShortCode({ accountSid: ACCOUNT, shortCode: "55501" }),
  },
  "a short code without replies joins a service that gives them": {
    number: "894546",
    spec: CODE,
    before: { Accepted: "ComplianceRepliesMissing" },
    mend: () => {
      const code = [...state().shortCodes].find(({ shortCode }) => shortCode === "894546")!;
      const service = state().addService({ accountSid: ACCOUNT, useInboundWebhookOnNumber: true });
      state().join(service.sid, code.sid);
    },
  },
  "somebody's webhook is cleared": {
    number: "14252306550",
    before: { InboundUrlReady: "WebhookOwnedByOther" },
    mend: () => void Object.assign(world.atTwilio("14252306550"), { smsUrl: "", smsFallbackUrl: "" }),
  },
};

const applied = async ({ number, spec, before }: Row) => {
  const name = `n${number}`;
  await world.stream({}, { name });
  await world.number({ workStreamRef: { name }, number, ...spec }, { name });
  await world.numberIs(name, { ...before, Ready: "False" });
  return name;
};

describe("at the next resync", () => {
  beforeAll(async () => {
    await begin();
    world.startOperator();
  });
  afterAll(() => world.stop());

  for (const [title, row] of Object.entries(rows))
    test(title, async () => {
      const name = await applied(row);
      row.mend();
      clock.skip(A_RESYNC_MS);
      await world.numberIs(name, { Ready: "True" });
    });
});

describe("at once when the object is touched", () => {
  beforeAll(async () => {
    await begin();
    world.startOperator();
  });
  afterAll(() => world.stop());
  beforeEach(() => clock.skip(BETWEEN_READINGS_MS));

  for (const [title, row] of Object.entries(rows))
    test(`an annotation: ${title}`, async () => {
      const name = await applied(row);
      clock.skip(BETWEEN_READINGS_MS);
      row.mend();
      const { number, spec } = row;
      await world.number(
        { workStreamRef: { name }, number, ...spec },
        { name, annotations: { "example.com/look": "again" } },
      );
      await world.numberIs(name, { Ready: "True" });
    });

  test("a change of its spec, and the object made anew", async () => {
    const service = serviceOf(DROPPING);
    const name = `n${DROPPING}`;
    const again = { workStreamRef: { name }, number: DROPPING };
    await world.numberIs(name, { Ready: "True" });
    // Whoever breaks it sees that as well: a number that works is looked at a moment after the change.
    service.useInboundWebhookOnNumber = false;
    await world.number({ ...again, description: "broken now" }, { name });
    await eventually("it is seen", async () => {
      clock.skip(1000);
      const number = await world.client.get(smsNumbers, { namespace: world.namespace, name });
      const url = number?.status?.conditions?.find(({ type }) => type === "InboundUrlReady");
      return url?.reason === "MessagingServiceDropsInbound" ? true : undefined;
    });
    clock.skip(BETWEEN_READINGS_MS);
    service.useInboundWebhookOnNumber = true;
    await world.number({ ...again, description: "mended" }, { name });
    await world.numberIs(name, { Ready: "True" });

    service.useInboundWebhookOnNumber = false;
    clock.skip(BETWEEN_READINGS_MS);
    await world.deleteNumber(name);
    await world.gone(smsNumbers, name);
    await world.number(again, { name });
    await world.numberIs(name, { InboundUrlReady: "MessagingServiceDropsInbound" });
    service.useInboundWebhookOnNumber = true;
    clock.skip(BETWEEN_READINGS_MS);
    await world.deleteNumber(name);
    await world.gone(smsNumbers, name);
    await world.number(again, { name });
    await world.numberIs(name, { Ready: "True" });
  });

  test("many touches are few readings", async () => {
    const name = `n${DROPPING}`;
    clock.skip(BETWEEN_READINGS_MS);
    world.simulator.control.clearRequests();
    for (let at = 0; at < 20; at++)
      await world.number(
        { workStreamRef: { name }, number: DROPPING },
        { name, annotations: { "example.com/look": `${at}` } },
      );
    clock.skip(BETWEEN_READINGS_MS);
    await world.numberIs(name, { Ready: "True" });
    expect(calls("ListService")).toBeLessThanOrEqual(3);
  });

  test("a stream whose account was put right", async () => {
    const account = state().accounts.get(ACCOUNT)!;
    account.status = "suspended";
    // Its credentials are others to the operator, so that they are judged anew.
    await world.secret({ secondaryAuthToken: "another-token-000000000000000000" }, { name: "mended" });
    const spec = { sms: { twilio: { credentialsSecretRef: { name: "mended" } } } };
    await world.stream(spec, { name: "mended" });
    await world.streamIs("mended", { CredentialsValid: "AccountSuspended" });
    account.status = "active";
    await world.stream(spec, { name: "mended", annotations: { "example.com/look": "again" } });
    await world.streamIs("mended", { CredentialsValid: "True" });

    account.status = "suspended";
    await world.secret({ secondaryAuthToken: "yet-another-00000000000000000000" }, { name: "mended" });
    await world.streamIs("mended", { CredentialsValid: "AccountSuspended" });
    account.status = "active";
    const { metadata } = await world.secret(
      { secondaryAuthToken: "yet-another-00000000000000000000", note: "touched" },
      { name: "mended" },
    );
    expect(metadata.resourceVersion).toBeDefined();
    await world.streamIs("mended", { CredentialsValid: "True" });
  });
});

describe("a number that works joins a service that drops its texts", () => {
  afterEach(() => world.stop());

  test("its texts fall silent, and the next resync sees why", async () => {
    await begin();
    let polls = 0;
    world.startOperator({
      databaseUrl: async () => {
        polls++;
        return world.databaseUrl;
      },
    });
    const polled = async (ms: number) => {
      const before = polls;
      clock.skip(ms);
      await eventually("a look at the database", () => {
        if (polls > before) return true;
        // The look before had not ended yet, so that the next one was not planned.
        clock.skip(10_000);
        return undefined;
      });
    };
    await world.stream();
    await world.number();
    await world.numberIs("line", { Ready: "True" });
    const [route] = world.routes.find(`${world.namespace}/support`);
    const { namespaceUid, stream, accountSid } = route!;
    const store = new PostgresStore({ url: world.databaseUrl, statementTimeoutMs: 3000, log: silentLog });
    for (let minute = 0; minute < 7; minute++) {
      const accepted = { one: clock.now() };
      await store.insertEvidence([{ namespaceUid, stream, accountSid, replica: "r", accepted }]);
      await polled(60_000);
    }
    await store.close();
    state().join(serviceOf(DROPPING).sid, world.atTwilio(NUMBER).sid);
    // No more texts, for far less than the hour after which everything is read anyway.
    for (let half = 0; half < 20; half++) await polled(30_000);
    clock.skip(A_RESYNC_MS);
    await world.numberIs("line", { InboundUrlReady: "MessagingServiceDropsInbound" });
  });
});
