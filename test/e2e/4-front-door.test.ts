import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { waitFor } from "../../demo/expect.ts";
import { demoAccount } from "../../src/simulator/state/default-seed.ts";
import type { Mode } from "../support/spoiler.ts";
import { ClusterDatabase } from "./database.ts";
import { explainFailures } from "./failure.ts";
import { FrontDoor } from "./front-door.ts";
import { apply, ClusterApi, kubectl, list } from "./kubectl.ts";
import { restrictedNamespace, team } from "./manifests.ts";
import { Release } from "./release.ts";
import { tell } from "./tell.ts";
import { ClusterTwilio, type WebhookAtTwilio } from "./twilio.ts";

// Tests with a proxy in front of the receiver that alters requests, as some ingresses, CDNs and firewalls do. The SmsNumber must report it.

const operator = `${inject("runId")}-spoiled`;
const users = `${inject("runId")}-spoiled-team`;
const number = demoAccount.number.slice(1);

let api: ClusterApi;
let twilio: ClusterTwilio;
let door: FrontDoor;
let release: Release;
let before: WebhookAtTwilio;

explainFailures();

beforeAll(async () => {
  await apply(restrictedNamespace(operator), restrictedNamespace(users));
  api = await ClusterApi.open();
  const { sid, authToken } = demoAccount;
  twilio = await ClusterTwilio.start(api, {
    accounts: [{ sid, authToken }],
    numbers: [{ sid: demoAccount.numberSid, accountSid: sid, phoneNumber: demoAccount.number }],
  });
  before = await twilio.webhookOf(number);
  door = await FrontDoor.start(api, `http://sms-channel-operator-receiver.${operator}.svc`);
  release = new Release(operator, twilio, {
    publicUrl: door.url,
    watchNamespaces: [users],
    database: { existingSecret: "database", createRoles: true },
  });
  const database = new ClusterDatabase(operator);
  await Promise.all([apply(database.secret("database")), database.start()]);
});

afterAll(async () => {
  await kubectl(["delete", "namespace", users, "--ignore-not-found", "--timeout=120s"]);
  await release?.remove();
  await door?.stop();
  await twilio?.stop();
  await api?.close();
});

const SPOILED = "PublicUrlAltersRequests";
/** The ways in which the proxy alters requests, each with the reason and message that the number then reports. */
const ways: [Mode, reason: string, message: RegExp][] = [
  ["signature removed", SPOILED, /the header X-Twilio-Signature is removed/],
  ["slash appended", SPOILED, /a slash is appended to the path/],
  ["emoji removed", SPOILED, /emoji are removed or replaced/],
  ["empty fields dropped", SPOILED, /empty fields are dropped/],
  ["values trimmed", SPOILED, /blanks at the end of a value are removed/],
  ["login page", "PublicUrlRedirects", /to a login page at sso\.example\.com/],
];

test("a number is pointed at the receiver only when the proxy in front of the receiver stops altering requests", async () => {
  const [mode, ...what] = ways[0]!;
  await door.set(mode);
  await release.install("--take-ownership");
  await release.rolledOut("controller", "receiver");
  const { sid: accountSid, authToken } = demoAccount;
  await apply(...team(users, number, { accountSid, authToken }));
  await saysOfNumber(...what);
  expect(await twilio.webhookOf(number)).toEqual(before);
  await door.set("nothing");
  await readyAgain();
  expect((await twilio.receive(text)).outcome).toBe("delivered");
});

test("the number reports each kind of altered request within a minute, and is Ready again when none is altered", async () => {
  const webhook = await twilio.webhookOf(number);
  await twilio.updates();
  for (const [mode, ...what] of ways) {
    await door.set(mode);
    await saysOfNumber(...what);
  }
  await door.set("nothing");
  await readyAgain();
  expect((await twilio.receive(text)).outcome).toBe("delivered");
  expect(await twilio.webhookOf(number)).toEqual(webhook);
  expect(await twilio.updates()).toEqual([]);
});

const text = { from: "+12065550100", to: demoAccount.number, body: "Hello 📦" };

interface Described {
  status?: { conditions?: { type: string; status: string; reason: string; message: string }[] };
}

/** Waits until the number is not Ready, with the given reason and message. */
async function saysOfNumber(reason: string, message: RegExp): Promise<void> {
  const begun = performance.now();
  let said = "";
  await waitFor({
    expected: `${reason}: ${message}`,
    look: async () => {
      const [found] = await list<Described>("-n", users, "smsnumbers");
      const ready = found?.status?.conditions?.find(({ type }) => type === "Ready");
      said = `${ready?.status} ${ready?.reason}: ${ready?.message}`;
      return ready?.status === "False" && ready.reason === reason && message.test(ready.message)
        ? true
        : undefined;
    },
    seen: () => said,
    withinMs: 60_000,
    signal: AbortSignal.timeout(90_000),
  });
  tell(`after ${Math.round((performance.now() - begun) / 1000)} s: ${said}`);
}

async function readyAgain(): Promise<void> {
  const kinds = "smsnumbers,workstreams";
  await kubectl(["-n", users, "wait", "--for=condition=Ready", kinds, "--all", "--timeout=60s"]);
}
