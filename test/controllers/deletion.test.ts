import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type SmsNumber, smsNumbers, workStreams } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import { createLog } from "../../src/log.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { kubectl } from "../support/cluster.ts";
import { ACCOUNT, eventually, NUMBER, World, type WorldOptions } from "../support/world.ts";

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
const logged: string[] = [];
const log = createLog({
  level: "info",
  process: "test",
  destination: { write: (line: string) => void logged.push(line) },
});
const start =
  (options: WorldOptions = {}) =>
  async () => {
    world = await World.start({ log, ...options });
  };
beforeEach(() => void logged.splice(0));
/** Somebody changes the number at Twilio. */
const change = (to: Partial<typeof FOREIGN>) => Object.assign(world.atTwilio(), to);
const webhook = (number = NUMBER) => {
  const { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid } = world.atTwilio(number);
  return { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid };
};
const at = (name: string) => ({ namespace: world.namespace, name });
const isOurs = () => expect(webhook().smsUrl).toContain(world.inboundUrl());
const deleted = async () => {
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(await world.previousWebhooks()).toEqual([]);
};
/** Deleted, and not given back: what was there before us stays kept for the number. */
const leftBehind = async () => {
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  const { sid } = world.atTwilio();
  expect(await world.previousWebhooks()).toEqual([expect.stringContaining(sid.toLowerCase())]);
};
/** The number comes back, and what was saved for it: made again and deleted, it is as it was before us. */
const comesBack = async (was: object, spec: Parameters<World["number"]>[0] = {}) => {
  await world.wired(spec);
  isOurs();
  await deleted();
  expect(webhook()).toMatchObject(was);
};
/** What conditions say, whatever generation they say it of, and since when. */
const conditionsIn = (status: SmsNumber["status"]) =>
  (status?.conditions ?? []).map(({ type, status, reason, message }) => ({ type, status, reason, message }));
/** There is a warning on the object that says so. */
const warned = (note: RegExp) =>
  eventually(`a warning ${note}`, async () =>
    (await world.events()).find(
      (each) => each.reason === "WebhookLeft" && each.type === "Warning" && note.test(each.note ?? ""),
    ),
  );
/** What the warnings in the log say of numbers that were let go. */
const letGoLines = () =>
  logged
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => String(msg).startsWith("number let go"));
const countedBy = async (reason: string) => {
  const metric = world.operators.at(-1)!.registry.getSingleMetric("smschannel_finalizer_gave_up_total");
  return (await metric!.get()).values.find(({ labels }) => labels.reason === reason)?.value;
};

describe("what a deletion leaves at Twilio", () => {
  beforeAll(start());
  afterAll(() => world.stop());

  for (const [name, before, spec, after] of [
    ["Restore: Twilio's demo reply", {}, {}, undefined],
    ["Restore: somebody's webhook, to the letter", FOREIGN, { takeover: "Always" }, undefined],
    [
      "Restore: an application",
      { ...FOREIGN, smsApplicationSid: APPLICATION },
      { takeover: "Always" },
      undefined,
    ],
    ["Restore: nothing", NOTHING, {}, NOTHING],
    [
      "Clear",
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

  test("Retain, and Restore when the number comes back", async () => {
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
    change(NOTHING);
  });

  test("pointed elsewhere since: left as it is", async () => {
    await world.wired();
    Object.assign(world.atTwilio(), FOREIGN);
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
  });

  test("somebody else's that we never took: left as it is", async () => {
    change(FOREIGN);
    await world.number();
    await world.numberIs("line", { Ready: "WebhookOwnedByOther" });
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
  });

  for (const spec of [{ suspend: true }, { managementPolicy: "Observe" as const }])
    test(`${JSON.stringify(spec)} after it was wired`, async () => {
      const before = { ...FOREIGN, smsUrl: "https://demo.twilio.com/welcome/sms/reply/" };
      change(before);
      await world.wired();
      await world.number(spec);
      await world.numberIs("line", { Ready: "True" });
      // Observe gives up the claim and so the right to change anything; suspended numbers are still ours to clean up.
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

  test("set to Observe and deleted at once: nothing is changed at Twilio", async () => {
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

  test("set to Observe, and pointed elsewhere since: nothing of ours is left, and nothing is told", async () => {
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

  describe("taken over again after a time without us", () => {
    const SECOND = { ...FOREIGN, smsUrl: "https://second.example.com/sms", smsFallbackUrl: "" };
    const observed = async () => {
      change(FOREIGN);
      await world.wired({ takeover: "Always" });
      await world.number({ managementPolicy: "Observe" });
      await world.numberIs("line", { Ready: "True" });
    };
    const previous = async () =>
      (await world.client.get(smsNumbers, at("line")))?.status?.previousWebhook?.host;

    test("somebody's other webhook: that is restored", async () => {
      await observed();
      change(SECOND);
      await world.wired({ takeover: "Always" });
      isOurs();
      expect(await previous()).toBe("second.example.com");
      await deleted();
      expect(webhook()).toEqual(SECOND);
    });

    test("beside our fallback: that is not restored", async () => {
      await observed();
      change({ smsUrl: SECOND.smsUrl });
      await world.wired({ takeover: "Always" });
      isOurs();
      await deleted();
      expect(webhook()).toMatchObject({ smsUrl: SECOND.smsUrl, smsFallbackUrl: "" });
    });

    test("cleared meanwhile: cleared again", async () => {
      await observed();
      change(NOTHING);
      await world.wired({ takeover: "Always" });
      isOurs();
      expect(await previous()).toBeUndefined();
      expect(await world.previousWebhooks()).toEqual([]);
      await deleted();
      expect(webhook()).toMatchObject(NOTHING);
    });

    test("ours all the time: what was there at first is restored", async () => {
      await observed();
      await world.wired({ takeover: "Always" });
      expect(await previous()).toBe("legacy.example.com");
      await deleted();
      expect(webhook()).toEqual(FOREIGN);
    });

    test("an application over our URL: both it and what was there at first", async () => {
      await observed();
      change({ smsApplicationSid: APPLICATION });
      await world.wired({ takeover: "Always" });
      isOurs();
      await deleted();
      expect(webhook()).toEqual({ ...FOREIGN, smsApplicationSid: APPLICATION });
    });

    test("changed between what was saved and the update: the newer", async () => {
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

  test("contested: what the other one wrote stays", async () => {
    change({ smsUrl: "", smsFallbackUrl: "" });
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

describe("a number that was never wired is let go, and nothing at Twilio is changed", () => {
  beforeAll(async () => {
    await start()();
    await world.secret();
    await world.stream();
    world.startOperator();
  });
  afterAll(() => world.stop());

  const numbers: Record<string, [digits: string, reason: string]> = {
    "with an application": ["14252306551", "ApplicationOverrides"],
    "without SMS": ["14252306552", "NumberNotSmsCapable"],
    "in a service that drops texts": ["14252306553", "MessagingServiceDropsInbound"],
    "of another account": ["12065550100", "NumberNotInAccount"],
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
    ["its token wrong", () => world.secret({ authToken: "wrong" }), "TwilioUnauthorized"],
    ["its Secret away", () => world.client.delete(secrets, at("twilio")), "SecretNotFound"],
    ["its stream away", () => world.client.delete(workStreams, at("support")), "WorkStreamNotFound"],
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

describe("one after another, in every order", () => {
  beforeAll(start());
  afterAll(() => world.stop());
  const demo = { smsUrl: "https://demo.twilio.com/welcome/sms/reply/", smsFallbackUrl: "" };

  for (const order of permutations(["secret/twilio", "workstream/support", "smsnumber/line"]))
    for (const cascade of ["foreground", "background"])
      test(`${cascade}: ${order.join(", ")}`, async () => {
        change(demo);
        await world.wired();
        for (const object of order) {
          const args = ["-n", world.namespace, "delete", object, `--cascade=${cascade}`, "--timeout=60s"];
          // kubectl waits until it is gone: each is seen without those before it.
          expect(await kubectl(args)).toMatchObject({ code: 0 });
        }
        expect(webhook()).toMatchObject(demo);
        expect(await world.previousWebhooks()).toEqual([]);
        // Once: who still sees the object as it was does not do it, nor tell it, again.
        expect((await world.events()).map(({ reason }) => reason)).not.toContain("WebhookLeft");
      });
});

describe("what else may be gone or refuse", () => {
  beforeAll(start());
  afterAll(() => world.stop());
  const demo = { smsUrl: "https://demo.twilio.com/welcome/sms/reply/", smsFallbackUrl: "" };
  const wiredAnew = async () => {
    world.simulator.control.reset();
    change(demo);
    await world.wired();
  };

  test("everything is deleted at once, the Secret first", async () => {
    await wiredAnew();
    await world.client.delete(secrets, { namespace: world.namespace, name: "twilio" });
    const all = await kubectl(["-n", world.namespace, "delete", "secret,ws,smsn", "--all", "--wait=false"]);
    expect(all.code).toBe(0);
    await world.gone(smsNumbers, "line");
    await world.gone(workStreams, "support");
    expect(webhook()).toMatchObject(demo);
  });

  for (const [name, break_, reason] of [
    ["401: the token was revoked", { kind: "status", status: 401 }, "TwilioUnauthorized"],
    ["403", { kind: "status", status: 403 }, "TwilioPermissionMissing"],
  ] as [string, SimulatedFault, string][])
    test(`${name}: lets go, says so, and gives it back when the number comes back`, async () => {
      await wiredAnew();
      const counted = (await countedBy(reason))!;
      world.simulator.control.faults(break_);
      await leftBehind();
      isOurs();
      await warned(/demo\.twilio\.com.*Twilio's console/);
      expect(await countedBy(reason)).toBe(counted + 1);
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
      await comesBack(demo);
    });

  test("404: the number was released, or is another account's by now", async () => {
    await wiredAnew();
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
    await comesBack(demo);
  });

  for (const [name, fault] of [
    ["429", { kind: "status", status: 429 }],
    ["500", { kind: "status", status: 500 }],
    ["connections reset", { kind: "reset", when: "before" }],
    // Who answers these is not Twilio, and its word ends nothing.
    ...[401, 403, 404, 407, 425, 451].map((status): [string, SimulatedFault] => [
      `HTML with status ${status}`,
      { kind: "status", status, body: "html" },
    ]),
    ["a sign-in page for every request", { kind: "garbage" }],
    ["another number's answer", { kind: "otherNumber" }],
    ["an update that is answered and not done", { kind: "unchanged", method: "POST" }],
  ] as [string, SimulatedFault][])
    test(`${name} for a while: waits and says so, then restores`, async () => {
      await wiredAnew();
      const before = conditionsIn((await world.numberIs("line", { Ready: "True" })).status);
      const counted = await world.metric("smschannel_finalizer_gave_up_total");
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
      expect(webhook()).toMatchObject(demo);
      expect(letGoLines()).toEqual([]);
      expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(counted);
    });

  test("an application that has gone meanwhile cannot be restored: cleared", async () => {
    world.simulator.control.reset();
    change({ smsApplicationSid: APPLICATION, smsUrl: "" });
    await world.wired({ takeover: "Always" });
    world.simulator.state.applications.remove(APPLICATION);
    await deleted();
    expect(webhook()).toMatchObject({ smsUrl: "", smsFallbackUrl: "", smsApplicationSid: "" });
    expect(await world.event("WebhookCleared", "line")).toMatchObject({ type: "Warning" });
    const lines = logged.filter((line) => line.includes("cleared instead")).map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ level: "warn", number: NUMBER, formerHost: "a Twilio application" }]);
  });

  test("records and Secret were lost: lets go, says so, and gives it back when the number comes back", async () => {
    await wiredAnew();
    await world.stopOperators();
    const at = { namespace: world.operatorNamespace };
    for (const { metadata, type } of (await world.client.list(secrets, at)).items)
      if (type === "smschannel.dev/compiled")
        await world.client.delete(secrets, { ...at, name: metadata.name });
    await world.client.delete(secrets, { namespace: world.namespace, name: "twilio" });
    world.startOperator();
    await world.streamIs("support", { CredentialsValid: "SecretNotFound" });
    await leftBehind();
    isOurs();
    expect(letGoLines()).toMatchObject([{ reason: "SecretNotFound", formerHost: "demo.twilio.com" }]);
    await comesBack(demo);
  });

  test("the operator's own records were lost: restored all the same", async () => {
    await wiredAnew();
    await world.stopOperators();
    const at = { namespace: world.operatorNamespace };
    for (const { metadata, type } of (await world.client.list(secrets, at)).items)
      if (type === "smschannel.dev/compiled")
        await world.client.delete(secrets, { ...at, name: metadata.name });
    await world.deleteNumber();
    world.startOperator();
    await world.gone(smsNumbers, "line");
    expect(webhook()).toMatchObject(demo);
    expect(await world.previousWebhooks()).toEqual([]);
  });

  for (const config of [{}, { publicUrl: "another" }])
    test(`the records were lost, taken up again, ${JSON.stringify(config)}: the first is still saved`, async () => {
      world.simulator.control.reset();
      change(FOREIGN);
      await world.wired({ takeover: "Always" });
      await world.stopOperators();
      const at = { namespace: world.operatorNamespace };
      for (const { metadata, type } of (await world.client.list(secrets, at)).items)
        if (type === "smschannel.dev/compiled")
          await world.client.delete(secrets, { ...at, name: metadata.name });
      const { port } = new URL(world.publicUrl);
      const publicUrl = config.publicUrl === undefined ? world.publicUrl : `http://localhost:${port}`;
      world.startOperator({ publicUrl });
      await eventually("pointed at us", () =>
        world.atTwilio().smsUrl.startsWith(publicUrl) ? true : undefined,
      );
      await world.numberIs("line", { Ready: "True" });
      await deleted();
      expect(webhook()).toEqual(FOREIGN);
      await world.stopOperators();
      world.startOperator();
    });

  test("force-delete lets go in the middle of an outage", async () => {
    await wiredAnew();
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
    await comesBack(demo);
  });

  test("an outage longer than DELETE_TIMEOUT: lets go, with a warning and a metric", async () => {
    await wiredAnew();
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

describe("the Secret has become another account's", () => {
  beforeAll(start());
  afterAll(() => world.stop());
  const SECOND = {
    accountSid: "AC00000000000000000000000000000002",
    authToken: "simulator-auth-token-0000000002",
  };
  const ofAnotherAccount = async () => {
    change(FOREIGN);
    await world.wired({ takeover: "Always" });
    logged.splice(0);
    await world.secret(SECOND);
    await world.numberIs("line", { Ready: "NumberNotInAccount" });
    isOurs();
  };

  test("it is told at once, with where texts went before", async () => {
    await ofAnotherAccount();
    await warned(new RegExp(`account ${ACCOUNT} had the number.*legacy.example.com`));
    const lines = logged.filter((line) => line.includes("no longer in the account"));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "warn", number: NUMBER, accountSid: ACCOUNT, formerHost: "legacy.example.com" },
    ]);
    await deleted();
  });

  test("deleted: given back with the last credentials of its own account", async () => {
    await ofAnotherAccount();
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
    expect(letGoLines()).toEqual([]);
  });

  test("deleted after a restart, its stream first: given back all the same", async () => {
    await ofAnotherAccount();
    await world.stopOperators();
    await world.client.delete(workStreams, at("support"));
    world.startOperator();
    await world.numberIs("line", { Ready: "WorkStreamNotFound" });
    await deleted();
    expect(webhook()).toEqual(FOREIGN);
  });

  test("deleted, and its own account refuses: lets go, says so, and gives it back when it comes back", async () => {
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

  test("put right again: Ready, and given back when deleted", async () => {
    await ofAnotherAccount();
    await comesBack(FOREIGN, { takeover: "Always" });
  });

  test("moved to the other account under its SID: what was saved is not given to that one", async () => {
    await ofAnotherAccount();
    world.simulator.state.numbers.transfer(world.atTwilio().sid, SECOND.accountSid);
    await world.stopOperators();
    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    await deleted();
    expect(webhook()).toMatchObject(NOTHING);
    world.simulator.state.numbers.transfer(world.atTwilio().sid, ACCOUNT);
  });
});

function permutations<T>(of: readonly T[]): T[][] {
  if (of.length < 2) return [[...of]];
  return of.flatMap((first, at) => permutations(of.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}
