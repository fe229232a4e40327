import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type SmsNumber, smsNumbers, workStreams } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { kubectl } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { ACCOUNT, DEMO_URL, DEMO_WEBHOOK, NUMBER, OTHER_ACCOUNT } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

const FOREIGN = {
  smsUrl: "https://bot:s3cret@legacy.example.com/sms?team=7&key=a%2Fb",
  smsMethod: "GET" as const,
  smsFallbackUrl: "https://legacy.example.com/fallback",
  smsFallbackMethod: "GET" as const,
  smsApplicationSid: "",
};
const NOTHING = { smsUrl: "", smsFallbackUrl: "", smsApplicationSid: "" };
const APPLICATION = "AP00000000000000000000000000000001";

let world: World;
const { log, lines: logged, linesOf } = recordedLog();
const start = async () => {
  world = await World.start({ log });
};
/**
 * Each test begins with the initial data of the simulator, and with a new operator whose records and counters are
 * empty.
 */
beforeEach(async () => {
  await world.stopOperators();
  world.simulator.control.reset();
  await world.forgetEverything();
  logged.splice(0);
  world.startOperator();
});
/** Changes the number at Twilio, as another user of the account could. */
const change = (to: Partial<ReturnType<World["webhook"]>>) => Object.assign(world.atTwilio(), to);
const webhook = (number = NUMBER) => world.webhook(number);
const at = (name: string) => ({ namespace: world.namespace, name });
const isOurs = () => expect(webhook().smsUrl).toContain(world.inboundUrl());
const deleted = async () => {
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(await world.previousWebhooks()).toEqual([]);
};
/**
 * Deletes the SmsNumber of a number that the operator does not give back. Expects that the number's former webhook is
 * kept.
 */
const leftBehind = async () => {
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  const { sid } = world.atTwilio();
  expect(await world.previousWebhooks()).toEqual([expect.stringContaining(sid.toLowerCase())]);
};
/**
 * Creates and deletes the SmsNumber once more. Expects the number's former webhook at Twilio, because it was kept after
 * the first deletion.
 */
const comesBack = async (was: object, spec: Parameters<World["number"]>[0] = {}) => {
  await world.wired(spec);
  isOurs();
  await deleted();
  expect(webhook()).toMatchObject(was);
};
/** The conditions of a status, without their generations and times. */
const conditionsIn = (status: SmsNumber["status"]) =>
  (status?.conditions ?? []).map(({ type, status, reason, message }) => ({ type, status, reason, message }));
/** Waits for a warning event WebhookLeft with this text. */
const warned = (note: RegExp) =>
  eventually(`a warning ${note}`, async () =>
    (await world.events()).find(
      (each) => each.reason === "WebhookLeft" && each.type === "Warning" && note.test(each.note ?? ""),
    ),
  );
/** The log lines about numbers that were let go. */
const letGoLines = () => linesOf("number let go");
const countedBy = async (reason: string) => {
  const metric = world.operators.at(-1)!.registry.getSingleMetric("smschannel_finalizer_gave_up_total");
  return (await metric!.get()).values.find(({ labels }) => labels.reason === reason)?.value;
};

describe("after the deletion of an SmsNumber", () => {
  beforeAll(start);
  afterAll(() => world.stop());

  for (const [name, before, spec, after] of [
    ["Restore has put back Twilio's demo reply", {}, {}, undefined],
    [
      "Restore has put back another service's webhook, letter by letter",
      FOREIGN,
      { takeover: "Always" },
      undefined,
    ],
    [
      "Restore has put back a Twilio application",
      { ...FOREIGN, smsApplicationSid: APPLICATION },
      { takeover: "Always" },
      undefined,
    ],
    ["Restore has left the webhook empty if it was empty before", NOTHING, {}, NOTHING],
    [
      "Clear has emptied the webhook",
      FOREIGN,
      { takeover: "Always", deletionPolicy: "Clear" },
      { smsUrl: "", smsFallbackUrl: "", smsApplicationSid: "" },
    ],
  ] as const)
    test(name, async () => {
      change(before);
      const was = webhook();
      await world.wired(spec);
      isOurs();
      world.simulator.control.clearRequests();
      await deleted();
      expect(webhook()).toMatchObject(after ?? was);
      expect(world.updates()).toHaveLength(1);
    });

  test("the webhook still points at the receiver with Retain, and a second deletion with Restore puts back the former webhook", async () => {
    change(FOREIGN);
    await world.wired({ takeover: "Always", deletionPolicy: "Retain" });
    world.simulator.control.clearRequests();
    await leftBehind();
    isOurs();
    expect(world.updates()).toEqual([]);
    const event = await world.event("WebhookRetained", "line");
    expect(event.type).toBe("Normal");
    expect(event.note).toContain("legacy.example.com");
    expect(letGoLines()).toEqual([]);
    await comesBack(FOREIGN);
  });

  test("a webhook that somebody changed at Twilio before the deletion stays as it is", async () => {
    await world.wired();
    Object.assign(world.atTwilio(), FOREIGN);
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
  });

  test("a webhook that the operator never took over stays as it is", async () => {
    change(FOREIGN);
    await world.secret();
    await world.stream();
    await world.number();
    await world.numberIs("line", { Ready: "WebhookOwnedByOther" });
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
  });

  for (const spec of [{ suspend: true }, { managementPolicy: "Observe" as const }])
    test(`a wired number that was set to ${JSON.stringify(spec)} is ${"suspend" in spec ? "given back" : "let go, and its saved former webhook is kept"}`, async () => {
      const before = { ...FOREIGN, smsUrl: DEMO_URL };
      change(before);
      await world.wired();
      await world.number(spec);
      await world.numberIs("line", { Ready: "True" });
      // Observe gives up the claim, and with it the right to change the webhook. A suspended number keeps its claim,
      // so its webhook is given back.
      if (spec.suspend === true) {
        await deleted();
        expect(webhook()).toEqual(before);
        return;
      }
      await leftBehind();
      isOurs();
      await warned(/Observe forbids changing it; before, the number's texts went to demo.twilio.com/);
      expect(letGoLines()).toMatchObject([{ reason: "Observing", formerHost: "demo.twilio.com" }]);
      expect(await countedBy("Observing")).toBe(1);
      await comesBack(before);
    });

  test("a number that was set to Observe just before its deletion is unchanged at Twilio", async () => {
    change(FOREIGN);
    await world.wired({ takeover: "Always" });
    await world.stopOperators();
    await world.number({ managementPolicy: "Observe" });
    await world.deleteNumber();
    world.simulator.control.clearRequests();
    world.startOperator();
    await world.gone(smsNumbers, "line");
    expect(world.updates()).toEqual([]);
    expect(letGoLines()).toMatchObject([{ reason: "Observing", formerHost: "legacy.example.com" }]);
    await comesBack(FOREIGN);
  });

  test("no warning is reported about a number that somebody pointed elsewhere while it was only observed", async () => {
    change(NOTHING);
    await world.wired();
    await world.number({ managementPolicy: "Observe" });
    await world.numberIs("line", { Ready: "True" });
    change(FOREIGN);
    await world.stopOperators();
    world.startOperator();
    await world.numberIs("line", { Ready: "Observing" });
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
    expect(letGoLines()).toEqual([]);
  });

  describe("when a number was observed for a while and then managed again", () => {
    const SECOND = { ...FOREIGN, smsUrl: "https://second.example.com/sms", smsFallbackUrl: "" };
    const observed = async () => {
      change(FOREIGN);
      await world.wired({ takeover: "Always" });
      await world.number({ managementPolicy: "Observe" });
      await world.numberIs("line", { Ready: "True" });
    };
    const previous = async () =>
      (await world.client.get(smsNumbers, at("line")))?.status?.previousWebhook?.host;

    test("the webhook that somebody set while the number was observed is restored", async () => {
      await observed();
      change(SECOND);
      await world.wired({ takeover: "Always" });
      isOurs();
      expect(await previous()).toBe("second.example.com");
      await deleted();
      expect(webhook()).toEqual(SECOND);
    });

    test("our own fallback URL is not restored together with another service's webhook", async () => {
      await observed();
      change({ smsUrl: SECOND.smsUrl });
      await world.wired({ takeover: "Always" });
      isOurs();
      await deleted();
      expect(webhook()).toMatchObject({ smsUrl: SECOND.smsUrl, smsFallbackUrl: "" });
    });

    test("a webhook that was cleared while the number was observed is cleared again", async () => {
      await observed();
      change(NOTHING);
      await world.wired({ takeover: "Always" });
      isOurs();
      expect(await previous()).toBeUndefined();
      expect(await world.previousWebhooks()).toEqual([]);
      await deleted();
      expect(webhook()).toMatchObject(NOTHING);
    });

    test("a webhook that pointed at the receiver all the time is replaced by the number's former webhook", async () => {
      await observed();
      await world.wired({ takeover: "Always" });
      expect(await previous()).toBe("legacy.example.com");
      await deleted();
      expect(webhook()).toEqual(FOREIGN);
    });

    test("an application that somebody set while the number was observed is restored, with the number's former webhook", async () => {
      await observed();
      change({ smsApplicationSid: APPLICATION });
      await world.wired({ takeover: "Always" });
      isOurs();
      await deleted();
      expect(webhook()).toEqual({ ...FOREIGN, smsApplicationSid: APPLICATION });
    });

    test("a webhook that somebody changed after it was saved is restored as it was after that change", async () => {
      await observed();
      change(SECOND);
      world.simulator.control.faults({
        kind: "status",
        status: 500,
        operation: "UpdateIncomingPhoneNumber",
      });
      world.simulator.control.clearRequests();
      await world.number({ takeover: "Always" });
      await eventually("it has tried", () => (world.updates().length > 0 ? true : undefined));
      await world.stopOperators();
      const third = { ...SECOND, smsUrl: "https://third.example.com/sms" };
      change(third);
      world.simulator.control.clearFaults();
      world.startOperator();
      await world.numberIs("line", { Ready: "True" });
      await deleted();
      expect(webhook()).toEqual(third);
    });
  });

  test("a contested webhook stays as somebody else set it", async () => {
    change(NOTHING);
    await world.stopOperators();
    world.startOperator({ resyncIntervalMs: 200 });
    await world.wired();
    const repairs = async () =>
      (await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" }))?.status?.driftRepairs
        ?.count ?? 0;
    for (const round of [1, 2]) {
      Object.assign(world.atTwilio(), FOREIGN);
      await eventually(`repair ${round}`, async () => ((await repairs()) >= round ? true : undefined));
    }
    Object.assign(world.atTwilio(), FOREIGN);
    await world.numberIs("line", { Ready: "Contested" });
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
  });
});

describe("deleting an SmsNumber that was never wired changes nothing at Twilio", () => {
  beforeAll(start);
  afterAll(() => world.stop());
  beforeEach(async () => {
    await world.secret();
    await world.stream();
  });

  const numbers: Record<string, [digits: string, reason: string]> = {
    "when the number has an application": ["14252306551", "ApplicationOverrides"],
    "when the number cannot receive texts": ["14252306552", "NumberNotSmsCapable"],
    "when the number's Messaging Service drops texts": ["14252306553", "MessagingServiceDropsInbound"],
    "when the number belongs to another account": ["12065550100", "NumberNotInAccount"],
  };
  for (const [name, [digits, reason]] of Object.entries(numbers))
    test(name, async () => {
      await world.number({ number: digits });
      await world.numberIs("line", { Ready: reason });
      const was = webhook(digits);
      await deleted();
      expect(webhook(digits)).toEqual(was);
      expect(world.updates()).toEqual([]);
    });

  for (const [name, act, reason] of [
    ["when the token is wrong", () => world.secret({ authToken: "wrong" }), "TwilioUnauthorized"],
    ["when the Secret is gone", () => world.client.delete(secrets, at("twilio")), "SecretNotFound"],
    ["when the stream is gone", () => world.client.delete(workStreams, at("support")), "WorkStreamNotFound"],
  ] as const)
    test(name, async () => {
      await act();
      await world.number({ number: "14252306550" });
      await world.numberIs("line", { Ready: reason });
      const was = webhook("14252306550");
      await deleted();
      expect(webhook("14252306550")).toEqual(was);
      expect(world.updates()).toEqual([]);
    });
});

describe("Secret, WorkStream and SmsNumber that are deleted one after another", () => {
  beforeAll(start);
  afterAll(() => world.stop());

  for (const order of permutations(["secret/twilio", "workstream/support", "smsnumber/line"]))
    for (const cascade of ["foreground", "background"])
      test(`leave the number's former webhook at Twilio, in the order ${order.join(", ")}, with cascade ${cascade}`, async () => {
        await world.wired();
        for (const object of order) {
          const args = ["-n", world.namespace, "delete", object, `--cascade=${cascade}`, "--timeout=60s"];
          // kubectl waits until the object is gone, so each deletion reaches an operator that does not have the
          // earlier objects any more.
          expect(await kubectl(args)).toMatchObject({ code: 0 });
        }
        expect(webhook()).toEqual(DEMO_WEBHOOK);
        expect(await world.previousWebhooks()).toEqual([]);
        // A reconcile whose cache still has the deleted object must not give the number back or report it a second
        // time.
        expect((await world.events()).map(({ reason }) => reason)).not.toContain("WebhookLeft");
      });
});

describe("a deletion when objects are missing or Twilio fails", () => {
  beforeAll(start);
  afterAll(() => world.stop());
  test("restores the webhook when all objects are deleted together and the Secret first", async () => {
    await world.wired();
    await world.client.delete(secrets, { namespace: world.namespace, name: "twilio" });
    const all = await kubectl(["-n", world.namespace, "delete", "secret,ws,smsn", "--all", "--wait=false"]);
    expect(all.code).toBe(0);
    await world.gone(smsNumbers, "line");
    await world.gone(workStreams, "support");
    expect(webhook()).toEqual(DEMO_WEBHOOK);
  });

  for (const [name, break_, reason] of [
    ["401 to a revoked token", { kind: "status", status: 401 }, "TwilioUnauthorized"],
    ["403", { kind: "status", status: 403 }, "TwilioPermissionMissing"],
  ] as [string, SimulatedFault, string][])
    test(`lets the number go with a warning when Twilio answers ${name}, and the next SmsNumber's deletion gives it back`, async () => {
      await world.wired();
      world.simulator.control.faults(break_);
      await leftBehind();
      isOurs();
      await warned(/demo\.twilio\.com.*Twilio's console/);
      expect(await countedBy(reason)).toBe(1);
      expect(letGoLines()).toMatchObject([
        {
          level: "warn",
          kind: "SmsNumber",
          namespace: world.namespace,
          name: "line",
          reason,
          number: NUMBER,
          phoneNumberSid: world.atTwilio().sid,
          accountSid: ACCOUNT,
          formerHost: "demo.twilio.com",
          keptIn: expect.stringContaining(`${world.operatorNamespace}/`),
          remedy: expect.stringContaining("Twilio's console"),
        },
      ]);
      world.simulator.control.clearFaults();
      await comesBack(DEMO_WEBHOOK);
    });

  test("lets go of a number that has left the account, with a warning, and a later deletion gives the number back if it has returned", async () => {
    await world.wired();
    const released = { ...world.atTwilio() };
    world.simulator.state.releaseNumber(released.sid);
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(await world.previousWebhooks()).toHaveLength(1);
    expect(letGoLines()).toMatchObject([
      { level: "warn", reason: "NumberNotInAccount", number: NUMBER, formerHost: "demo.twilio.com" },
    ]);
    expect(await countedBy("NumberNotInAccount")).toBe(1);
    world.simulator.state.numbers.add(released);
    await comesBack(DEMO_WEBHOOK);
  });

  for (const [name, fault] of [
    ["Twilio answers 429", { kind: "status", status: 429 }],
    ["Twilio answers 500", { kind: "status", status: 500 }],
    ["Twilio resets the connection", { kind: "reset", when: "before" }],
    // Answers in HTML come from a proxy and not from Twilio, so the operator does not take them as a reason to let the
    // number go.
    ...[401, 403, 404, 407, 425, 451].map((status): [string, SimulatedFault] => [
      `Twilio answers HTML with status ${status}`,
      { kind: "status", status, body: "html" },
    ]),
    ["Twilio answers every request with a login page", { kind: "garbage" }],
    ["Twilio answers with the data of another number", { kind: "otherNumber" }],
    ["Twilio accepts an update without making it", { kind: "unchanged", method: "POST" }],
  ] as [string, SimulatedFault][])
    test(`waits and reports that it waits while ${name}, and then restores the webhook`, async () => {
      await world.wired();
      const before = conditionsIn((await world.numberIs("line", { Ready: "True" })).status);
      world.simulator.control.faults(fault);
      world.simulator.control.clearRequests();
      await world.deleteNumber();
      await eventually("it has tried", () =>
        world.simulator.control.requests().length > 3 ? true : undefined,
      );
      const waiting = await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" });
      expect(waiting?.metadata.finalizers).toHaveLength(1);
      const { status } = await world.numberIs("line", { Ready: "DeletionWaits" });
      const conditions = conditionsIn(status);
      const wait = conditions.find(({ type }) => type === "Reconciling");
      expect(wait?.reason).toMatch(/^Twilio(Throttled|Unavailable)$/);
      expect(conditions).toEqual([
        ...before.filter(({ type }) => type !== "Ready"),
        { type: "Ready", status: "True", reason: "DeletionWaits", message: wait?.message },
        wait,
      ]);
      expect(
        await kubectl(["-n", world.namespace, "get", "smsnumber", "line", "--no-headers"]),
      ).toMatchObject({
        stdout: expect.stringMatching(/^line +True +DeletionWaits /),
      });
      world.simulator.control.clearFaults();
      await world.gone(smsNumbers, "line");
      expect(webhook()).toEqual(DEMO_WEBHOOK);
      expect(letGoLines()).toEqual([]);
      expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(0);
    });

  test("clears the webhook when the former application no longer exists", async () => {
    change({ smsApplicationSid: APPLICATION, smsUrl: "" });
    await world.wired({ takeover: "Always" });
    world.simulator.state.applications.remove(APPLICATION);
    await deleted();
    expect(webhook()).toMatchObject({ smsUrl: "", smsFallbackUrl: "", smsApplicationSid: "" });
    expect(await world.event("WebhookCleared", "line")).toMatchObject({ type: "Warning" });
    const lines = logged.filter((line) => line.includes("cleared instead")).map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ level: "warn", number: NUMBER, formerHost: "a Twilio application" }]);
  });

  test("lets the number go with a warning when the records and the Secret are missing, and the next SmsNumber's deletion gives it back", async () => {
    await world.wired();
    await world.stopOperators();
    await world.loseRecords();
    await world.client.delete(secrets, { namespace: world.namespace, name: "twilio" });
    world.startOperator();
    await world.streamIs("support", { CredentialsValid: "SecretNotFound" });
    await leftBehind();
    isOurs();
    expect(letGoLines()).toMatchObject([{ reason: "SecretNotFound", formerHost: "demo.twilio.com" }]);
    await comesBack(DEMO_WEBHOOK);
  });

  test("restores the webhook even when the operator's own records were lost", async () => {
    await world.wired();
    await world.stopOperators();
    await world.loseRecords();
    await world.deleteNumber();
    world.startOperator();
    await world.gone(smsNumbers, "line");
    expect(webhook()).toEqual(DEMO_WEBHOOK);
    expect(await world.previousWebhooks()).toEqual([]);
  });

  for (const config of [{}, { publicUrl: "another" }])
    test(`restores the first webhook after the records were lost, with ${config.publicUrl === undefined ? "the same" : "another"} PUBLIC_URL`, async () => {
      change(FOREIGN);
      await world.wired({ takeover: "Always" });
      await world.stopOperators();
      await world.loseRecords();
      const { port } = new URL(world.publicUrl);
      const publicUrl = config.publicUrl === undefined ? world.publicUrl : `http://localhost:${port}`;
      world.startOperator({ publicUrl });
      await eventually("pointed at us", () =>
        world.atTwilio().smsUrl.startsWith(publicUrl) ? true : undefined,
      );
      await world.numberIs("line", { Ready: "True" });
      await deleted();
      expect(webhook()).toEqual(FOREIGN);
    });

  test("lets the number go during an outage when force-delete is set", async () => {
    await world.wired();
    world.simulator.control.faults({ kind: "status", status: 500 });
    world.simulator.control.clearRequests();
    await world.deleteNumber();
    await eventually("it has tried", () =>
      world.simulator.control.requests().length > 0 ? true : undefined,
    );
    await kubectl(["-n", world.namespace, "annotate", "smsn/line", "smschannel.dev/force-delete=true"]);
    await world.gone(smsNumbers, "line");
    isOurs();
    expect(letGoLines()).toMatchObject([{ reason: "ForceDelete", formerHost: "demo.twilio.com" }]);
    expect(await countedBy("ForceDelete")).toBe(1);
    expect(await world.previousWebhooks()).toHaveLength(1);
    world.simulator.control.clearFaults();
    await comesBack(DEMO_WEBHOOK);
  });

  test("lets the number go with a warning and a metric when an outage is longer than DELETE_TIMEOUT", async () => {
    await world.wired();
    await world.stopOperators();
    world.startOperator({ deleteTimeoutMs: 1500 });
    await world.numberIs("line", { Ready: "True" });
    world.simulator.control.faults({ kind: "status", status: 503 });
    await leftBehind();
    expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(1);
    expect(await countedBy("TwilioUnavailable")).toBe(1);
    expect(letGoLines()).toMatchObject([{ reason: "TwilioUnavailable", formerHost: "demo.twilio.com" }]);
    const warnings = await eventually("the warning", async () => {
      const found = (await world.events()).filter(({ note }) => note.includes("gave up after waiting"));
      return found.length > 0 ? found : undefined;
    });
    expect(warnings).toHaveLength(1);
  });
});

describe("when the Secret was replaced by one of another account", () => {
  beforeAll(start);
  afterAll(() => world.stop());
  const ofAnotherAccount = async () => {
    change(FOREIGN);
    await world.wired({ takeover: "Always" });
    logged.splice(0);
    await world.secret(OTHER_ACCOUNT);
    await world.numberIs("line", { Ready: "NumberNotInAccount" });
    isOurs();
  };

  test("a warning says immediately where the number's texts went before the operator pointed the number at itself", async () => {
    await ofAnotherAccount();
    await warned(new RegExp(`account ${ACCOUNT} had the number.*legacy.example.com`));
    const lines = logged.filter((line) => line.includes("no longer in the account"));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "warn", number: NUMBER, accountSid: ACCOUNT, formerHost: "legacy.example.com" },
    ]);
    await deleted();
  });

  test("a deletion gives the number back with the last credentials of its own account", async () => {
    await ofAnotherAccount();
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
    expect(letGoLines()).toEqual([]);
  });

  test("a deletion gives the number back even after a restart and after the deletion of the stream", async () => {
    await ofAnotherAccount();
    await world.stopOperators();
    await world.client.delete(workStreams, at("support"));
    world.startOperator();
    await world.numberIs("line", { Ready: "WorkStreamNotFound" });
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
  });

  test("a deletion lets the number go if the number's own account refuses the token, and the next SmsNumber's deletion gives it back", async () => {
    await ofAnotherAccount();
    world.simulator.control.faults({ kind: "status", status: 401, accountSid: ACCOUNT });
    await leftBehind();
    isOurs();
    expect(letGoLines()).toMatchObject([
      { reason: "TwilioUnauthorized", accountSid: ACCOUNT, formerHost: "legacy.example.com" },
    ]);
    world.simulator.control.clearFaults();
    await comesBack(FOREIGN);
  });

  test("the number is Ready again when the Secret is corrected, and a deletion gives the number back", async () => {
    await ofAnotherAccount();
    await comesBack(FOREIGN, { takeover: "Always" });
  });

  test("a number that moved to the other account does not get the webhook that was saved for the first account", async () => {
    await ofAnotherAccount();
    world.simulator.state.numbers.transfer(world.atTwilio().sid, OTHER_ACCOUNT.accountSid);
    await world.stopOperators();
    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    await deleted();
    expect(webhook()).toMatchObject(NOTHING);
  });
});

function permutations<T>(of: readonly T[]): T[][] {
  if (of.length < 2) return [[...of]];
  return of.flatMap((first, at) => permutations(of.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}
