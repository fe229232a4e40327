import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { workStreams } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import { signatureKey } from "../../src/routes/signature-states.ts";
import type { InboundDelivery } from "../../src/simulator/simulator.ts";
import { eventually } from "../support/eventually.ts";
import { ACCOUNT, NUMBER, OTHER_ACCOUNT, TOKEN } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

const WRONG = "00000000000000000000000000000bad";
let world: World;
let token = TOKEN;

const start =
  (namespaces = 1) =>
  async () => {
    world = await World.start({ namespaces, config: { resyncIntervalMs: 300 } });
    token = TOKEN;
  };

/** Does one step of a rotation at Twilio, as an administrator does. `Secondary` returns the new token. */
async function atTwilio(step: "Secondary" | "Promote"): Promise<string> {
  const response = await fetch(`${world.simulator.url}/accounts/v1/AuthTokens/${step}`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${ACCOUNT}:${token}`).toString("base64")}` },
  });
  expect(response.ok).toBe(true);
  const answer = (await response.json()) as { secondary_auth_token?: string };
  return answer.secondary_auth_token ?? token;
}

/** Waits until the receiver knows this token or, if `known` is false, until the receiver has forgotten it. */
async function verifiesWith(key: string, known = true, namespace = world.namespace) {
  const { fingerprint } = await signatureKey(key);
  await eventually(`the receiver ${known ? "knows" : "forgot"} a token`, () => {
    const keys = world.routes.find(`${namespace}/support`).flatMap((route) => route.keys);
    return keys.some((each) => each.fingerprint === fingerprint) === known ? true : undefined;
  });
}

async function texts(count: number): Promise<InboundDelivery[]> {
  const deliveries: InboundDelivery[] = [];
  while (deliveries.length < count) deliveries.push(await world.text());
  return deliveries;
}

/**
 * The texts that were not delivered at the first attempt. Texts that were delivered by a retry count too, because the
 * receiver refused them once.
 */
const refused = (deliveries: InboundDelivery[]) =>
  deliveries.filter(
    ({ outcome, attempts }) => outcome !== "delivered" || attempts.some(({ status }) => status !== 200),
  );

describe("no text is refused while a token is rotated", () => {
  beforeAll(async () => {
    await start()();
    await world.wired();
  });
  afterAll(() => world.stop());

  const both = async (next: string) => {
    await world.secret({ authToken: token, secondaryAuthToken: next });
    await verifiesWith(next);
  };
  const onlyNew = async (next: string) => {
    await world.secret({ authToken: next });
    await verifiesWith(next);
  };
  const promote = async (next: string) => {
    await atTwilio("Promote");
    token = next;
    expect(refused(await texts(5))).toEqual([]);
  };
  const promotionIsTold = async () => {
    await world.streamIs("support", { CredentialsValid: "TokenPromoted", Ready: "True" });
  };

  for (const [name, steps] of [
    [
      "in three steps: both tokens in the Secret, the promotion, only the new token",
      [both, promote, promotionIsTold, onlyNew],
    ],
    [
      "in three steps: both tokens in the Secret, only the new token, the promotion",
      [both, onlyNew, promote],
    ],
    ["in two steps: only the new token in the Secret, the promotion", [onlyNew, promote]],
    [
      "in three steps when the Secret gets only the new token before the promotion was reported",
      [both, promote, onlyNew],
    ],
  ] as const)
    test(name, async () => {
      const before = (await world.stored()).length;
      const traffic = world.traffic();
      const next = await atTwilio("Secondary");
      for (const step of steps) await step(next);
      await world.streamIs("support", { CredentialsValid: "CredentialsValid", Ready: "True" });
      const last = await texts(5);
      const deliveries = await traffic.stop();
      expect(refused([...deliveries, ...last])).toEqual([]);
      expect(await world.stored()).toHaveLength(before + deliveries.length + last.length + 5);
      expect((await world.numberIs("line", { Ready: "True" })).status?.driftRepairs).toBeUndefined();
    });
});

describe("when a Secret changes", () => {
  beforeAll(async () => {
    await start()();
    await world.wired();
  });
  afterAll(() => world.stop());

  test("a new value of the annotation forget-previous-token ends former tokens immediately, and the same value ends no token again", async () => {
    const next = await atTwilio("Secondary");
    const forget = (value: string) =>
      world.stream({}, { annotations: { "smschannel.dev/forget-previous-token": value } });
    const overwrite = async (key: string) => {
      await world.secret({ authToken: key });
      await eventually("the other key is current", async () => {
        const { fingerprint } = await signatureKey(key);
        const [route] = world.routes.find(`${world.namespace}/support`);
        const found = route?.keys.find((each) => each.fingerprint === fingerprint);
        return found !== undefined && found.notAfterMs === undefined ? true : undefined;
      });
    };
    await overwrite(next);
    expect(refused(await texts(3))).toEqual([]);
    await forget("monday");
    await verifiesWith(token, false);
    const [text] = await texts(1);
    expect(text).toMatchObject({ outcome: "failed" });
    expect(text?.attempts.map(({ status }) => status)).toContain(403);

    await overwrite(token);
    await overwrite(next);
    expect(refused(await texts(3)), "the same value ends nothing again").toEqual([]);
    await forget("tuesday");
    await verifiesWith(token, false);
    expect((await texts(1))[0]?.outcome).toBe("failed");
    await overwrite(token);
  });

  test("a wrong token is reported, and no text is refused because of it", async () => {
    await world.secret({ authToken: WRONG });
    await world.streamIs("support", { CredentialsValid: "TwilioUnauthorized", Ready: "False" });
    expect(refused(await texts(3))).toEqual([]);
    await verifiesWith(WRONG, false);
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    await world.secret({ authToken: token });
    await world.streamIs("support", { Ready: "True" });
    await world.numberIs("line", { Ready: "True" });
  });

  test("a stream without its Secret still gets texts, and the operator sends no request to Twilio for it", async () => {
    await world.client.delete(secrets, { namespace: world.namespace, name: "twilio" });
    await world.streamIs("support", { CredentialsValid: "SecretNotFound", Ready: "False" });
    await world.numberIs("line", { Ready: "SecretNotFound" });
    world.simulator.control.clearRequests();
    const traffic = world.traffic();
    const before = await world.metric("smschannel_reconcile_total");
    await eventually("several resyncs have passed", async () =>
      (await world.metric("smschannel_reconcile_total")) > before + 8 ? true : undefined,
    );
    expect(refused(await traffic.stop())).toEqual([]);
    expect(world.simulator.control.requests()).toEqual([]);
    await world.stopOperators();
    world.startOperator();
    await eventually("the next operator has looked", async () =>
      (await world.metric("smschannel_reconcile_total")) > 4 ? true : undefined,
    );
    expect(refused(await texts(3))).toEqual([]);
    expect(world.simulator.control.requests()).toEqual([]);
    await world.secret();
    await world.streamIs("support", { Ready: "True" });
    await world.numberIs("line", { Ready: "True" });
  });
});

describe("the receivers get a new token", () => {
  beforeEach(async () => {
    await start()();
    await world.secret();
    await world.stream();
    await world.number();
  });
  afterEach(() => world.stop());

  /** Waits until the status names this version of the Secret. */
  const judged = (version: string | undefined) =>
    eventually(
      "the status names the version of the Secret",
      async () => {
        const stream = await world.client.get(workStreams, { namespace: world.namespace, name: "support" });
        return stream?.status?.lastValidation?.secretResourceVersion === version ? stream : undefined;
      },
      // The Lease of the killed process must expire first.
      60_000,
    );
  const promote = async (next: string) => {
    await atTwilio("Promote");
    token = next;
  };

  test("before the status names the Secret's version, so that the token can be promoted then", async () => {
    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    const traffic = world.traffic();
    for (let round = 0; round < 3; round++) {
      const next = await atTwilio("Secondary");
      const { metadata } = await world.secret({ authToken: next });
      await judged(metadata.resourceVersion);
      await promote(next);
    }
    const last = await texts(5);
    expect(refused([...(await traffic.stop()), ...last])).toEqual([]);
  });

  test("before all else when a killed controller is started again, even if calls for other streams hang", async () => {
    const { child, lines } = world.startProcess();
    await world.numberIs("line", { Ready: "True" });
    // Other streams that the controller also has to reconcile, and whose calls to Twilio will hang.
    const hanging = ["a", "b", "c"];
    await world.secret(OTHER_ACCOUNT, { name: "other" });
    for (const name of hanging)
      await world.stream({ sms: { twilio: { credentialsSecretRef: { name: "other" } } } }, { name });
    for (const name of hanging) await world.streamIs(name, { CredentialsValid: "True" });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(lines.length).toBeGreaterThan(0);

    const next = await atTwilio("Secondary");
    const { metadata } = await world.secret({ authToken: next });
    await promote(next);
    // No receiver knows the token that Twilio signs with now.
    expect((await texts(1))[0]?.outcome).toBe("failed");
    world.simulator.control.faults({
      kind: "slow",
      ms: 600_000,
      when: "before",
      accountSid: OTHER_ACCOUNT.accountSid,
    });
    world.startProcess();
    await judged(metadata.resourceVersion);
    await verifiesWith(next);
    expect(refused(await texts(3))).toEqual([]);
    expect(await world.stored()).toHaveLength(3);
  }, 120_000);

  test("even if Twilio refuses the API key in the same Secret", async () => {
    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    const traffic = world.traffic();
    const next = await atTwilio("Secondary");
    const key = { apiKeySid: "SK00000000000000000000000000000001", apiKeySecret: "a-key-that-was-deleted" };
    await world.secret({ authToken: next, ...key });
    await world.streamIs("support", { CredentialsValid: "TwilioUnauthorized" });
    await verifiesWith(next);
    await promote(next);
    const last = await texts(5);
    expect(refused([...(await traffic.stop()), ...last])).toEqual([]);
    await world.secret({ authToken: next, ...key, apiKeySecret: "simulator-secret-standard" });
    await world.numberIs("line", { Ready: "True" });
  });
});

describe("knowing the account SID of another tenant", () => {
  beforeAll(start(2));
  afterAll(() => world.stop());

  test("gives a namespace with a wrong token no number and no text", async () => {
    const [, thief] = world.namespaces as [string, string];
    await world.secret({ authToken: WRONG }, { namespace: thief });
    await world.stream({}, { namespace: thief });
    await world.number({}, { namespace: thief });
    world.startOperator();
    await world.streamIs("support", { CredentialsValid: "TwilioUnauthorized" }, thief);
    const theirs = await world.numberIs("line", { Ready: "False", NumberFound: "Unknown" }, thief);
    expect(theirs.status?.phoneNumberSid).toBeUndefined();
    // The SmsNumber of the other namespace has claimed nothing, so the owner gets the number.
    await world.wired();
    expect(refused(await texts(3))).toEqual([]);
    expect(new Set((await world.stored()).map(({ namespace_uid }) => namespace_uid)).size).toBe(1);

    const other = world.atTwilio("14252306550");
    Object.assign(other, { smsUrl: world.inboundUrl("support", thief), smsFallbackUrl: "" });
    const stray = await world.text("14252306550");
    expect(stray.attempts.map(({ status }) => status)).toContain(403);
    expect(stray.outcome).toBe("failed");

    // The thief's stream now has valid credentials of another account. Its route still does not accept a text that
    // the owner's account signed.
    await world.secret(OTHER_ACCOUNT, { namespace: thief });
    await world.streamIs("support", { CredentialsValid: "True", Ready: "True" }, thief);
    expect((await world.text("14252306550")).outcome).toBe("failed");
    expect((await world.text(NUMBER)).outcome).toBe("delivered");
  });
});
