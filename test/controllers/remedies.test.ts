import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type SmsNumber, smsNumbers } from "../../src/api/index.ts";
import { systemClock } from "../../src/clock.ts";
import { PostgresStore } from "../../src/inbox/store.ts";
import { silentLog } from "../../src/log.ts";
import { eventually } from "../support/eventually.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import { COMPLIANCE_REPLIES } from "../support/world/manifests.ts";
import { ACCOUNT, NUMBER } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

// A setting at Twilio can keep a number from being Ready. When a user repairs the setting, the operator notices that at
// the next resync, or at once if the user also changes the object in any way.
const DROPPING = "14252306553";
const RESYNC_MS = 300_000;
/**
 * How far the clock skips so that there is a resync, in spite of its random delay, and another extra reading of the
 * account.
 */
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

interface RemedyRow {
  number: string;
  spec?: Partial<SmsNumber["spec"]>;
  before: Record<string, string>;
  mend(): void;
}
const CODE = { type: "ShortCode" as const };
const rows: Record<string, RemedyRow> = {
  "a Messaging Service that dropped texts now defers to the number's webhook": {
    number: DROPPING,
    before: { InboundUrlReady: "MessagingServiceDropsInbound" },
    mend: () => {
      serviceOf(DROPPING).useInboundWebhookOnNumber = true;
    },
  },
  "the number has left a Messaging Service that sent its texts elsewhere": {
    number: "14252306555",
    before: { InboundUrlReady: "MessagingServiceOverrides" },
    mend: () => void state().pool.delete(world.atTwilio("14252306555").sid),
  },
  "a Conversations address no longer takes the number's texts": {
    number: "14252306556",
    before: { InboundUrlReady: "ConversationsOverrides" },
    mend: () => {
      for (const { sid } of [...state().addresses]) state().addresses.remove(sid);
    },
  },
  "a short code was added to the account": {
    number: "55501",
    spec: { ...CODE, automatedMessages: COMPLIANCE_REPLIES },
    before: { NumberFound: "NumberNotInAccount" },
    mend: () => void state().addShortCode({ accountSid: ACCOUNT, shortCode: "55501" }),
  },
  "a short code without replies has joined a Messaging Service, which sends them": {
    number: "894546",
    spec: CODE,
    before: { Accepted: "ComplianceRepliesMissing" },
    mend: () => {
      const code = [...state().shortCodes].find(({ shortCode }) => shortCode === "894546")!;
      const service = state().addService({ accountSid: ACCOUNT, useInboundWebhookOnNumber: true });
      state().join(service.sid, code.sid);
    },
  },
  "a webhook of another service was cleared": {
    number: "14252306550",
    before: { InboundUrlReady: "WebhookOwnedByOther" },
    mend: () => void Object.assign(world.atTwilio("14252306550"), { smsUrl: "", smsFallbackUrl: "" }),
  },
};

const applied = async ({ number, spec, before }: RemedyRow) => {
  const name = `n${number}`;
  await world.stream({}, { name });
  await world.number({ workStreamRef: { name }, number, ...spec }, { name });
  await world.numberIs(name, { ...before, Ready: "False" });
  return name;
};

describe("the next resync notices a repair at Twilio when", () => {
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

describe("changing the object makes the operator notice a repair at Twilio immediately", () => {
  beforeAll(async () => {
    await begin();
    world.startOperator();
  });
  afterAll(() => world.stop());
  beforeEach(() => clock.skip(BETWEEN_READINGS_MS));

  for (const [title, row] of Object.entries(rows))
    test(`a new annotation is enough, when ${title}`, async () => {
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

  /**
   * Creates a number that only this test uses. The number is Ready, in a Messaging Service that lets its texts through.
   */
  const working = async (number: string) => {
    const { sid } = state().addNumber({ accountSid: ACCOUNT, phoneNumber: `+${number}`, smsUrl: "" });
    const service = state().addService({ accountSid: ACCOUNT, useInboundWebhookOnNumber: true });
    state().join(service.sid, sid);
    const name = `n${number}`;
    const spec = { workStreamRef: { name }, number };
    clock.skip(BETWEEN_READINGS_MS);
    await world.stream({}, { name });
    await world.number(spec, { name });
    await world.numberIs(name, { Ready: "True" });
    return { name, spec, service };
  };

  test("a change of the spec is enough, and so is creating the object again", async () => {
    const { name, spec: again, service } = await working("14252306581");
    // A setting that breaks a number is noticed in the same way: a working number is checked a moment after its object
    // was changed.
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

  test("many changes cause only a few readings of the account", async () => {
    const { name, spec } = await working("14252306582");
    clock.skip(BETWEEN_READINGS_MS);
    world.simulator.control.clearRequests();
    for (let at = 0; at < 20; at++)
      await world.number(spec, { name, annotations: { "example.com/look": `${at}` } });
    clock.skip(BETWEEN_READINGS_MS);
    await world.numberIs(name, { Ready: "True" });
    expect(calls("ListService")).toBeLessThanOrEqual(3);
  });

  test("a stream whose account is active again becomes Ready", async () => {
    const account = state().accounts.get(ACCOUNT)!;
    account.status = "suspended";
    // A change of the Secret makes the operator check the credentials again.
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

describe("when a working number joins a Messaging Service that drops its texts", () => {
  afterEach(() => world.stop());

  test("its texts stop coming, and the next resync finds the reason", async () => {
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
      await eventually("the operator polls the database", () => {
        if (polls > before) return true;
        // The poll before may not have ended yet, and the next poll is only scheduled when it ends.
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
    // No texts come for ten minutes. That is far less than the hour after which the services are read without any
    // reason.
    for (let half = 0; half < 20; half++) await polled(30_000);
    clock.skip(A_RESYNC_MS);
    await world.numberIs("line", { InboundUrlReady: "MessagingServiceDropsInbound" });
  });
});
