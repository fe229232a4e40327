import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { operatingHours, smsNumbers, workStreams } from "../../src/api/index.ts";
import { systemClock } from "../../src/clock.ts";
import { type ResourceType, secrets } from "../../src/kube/resource.ts";
import { kubectl } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import { matches, type Wanted } from "../support/world/conditions.ts";
import { DEMO_WEBHOOK } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";
import { healthOf, healthScript, healthTests } from "./health.ts";
import { readTestdata, recorded, writeTestdata } from "./testdata.ts";

// These tests bring about every state of the table in docs/adr/0005 with the real operator. They check that the live object equals its
// file in `testdata/`, and that Argo CD's Lua gives it the health in `health_test.yaml`. After an intended change,
// RECORD_TESTDATA=1 npm test -- --project argocd test/argocd/states.test.ts writes the files again.

const RESYNC_MS = 60_000;
const clock = new SkippingClock();
let world: World;

beforeAll(async () => {
  world = await World.start({
    clock,
    receiverClock: systemClock,
    config: { resyncIntervalMs: RESYNC_MS, deleteTimeoutMs: 3_600_000 },
  });
});
afterAll(() => world.stop());
afterEach(async () => {
  world.simulator.control.reset();
  if (world.operators.length === 0) world.startOperator();
  const { namespace } = world;
  const free = { metadata: { finalizers: null } };
  for (const type of [smsNumbers, workStreams, operatingHours, secrets] as ResourceType[])
    for (const { metadata } of (await world.client.list(type, { namespace })).items) {
      const { name } = metadata;
      // This removes the finalizer that the test itself has set. The operator removes its own finalizer.
      if (metadata.finalizers?.includes(HOLD) === true)
        await kubectl([
          "-n",
          namespace,
          "patch",
          type.plural,
          name,
          "--type=merge",
          "-p",
          JSON.stringify(free),
        ]);
      await world.client.delete(type, { namespace, name });
      await world.gone(type, name);
    }
  await world.stopOperators();
  Object.assign(world.atTwilio(), DEMO_WEBHOOK);
});

const HOLD = "example.com/hold";
/** Lets the clock skip from one resync to the next until the object has the wanted conditions. */
const inTime = (type: ResourceType, name: string, want: Wanted) =>
  eventually(`${name} is ${JSON.stringify(want)} in time`, async () => {
    const object = await world.client.get(type, { namespace: world.namespace, name });
    if (object !== undefined && matches(object, want)) return true;
    clock.skip(RESYNC_MS * 1.2);
    return undefined;
  });
/** Sets a foreign webhook, and waits for the next second: an object's times are whole seconds, and its next time must be a later one. */
const wiredElsewhere = async () => {
  const second = Math.floor(Date.now() / 1000);
  Object.assign(world.atTwilio(), { smsUrl: "https://legacy.example.com/sms" });
  await eventually("the next second", () => (Date.now() / 1000 > second + 1 ? true : undefined));
};
const hours = (timeZone = "Etc/UTC") =>
  world.apply(operatingHours, {
    metadata: { name: "always", namespace: world.namespace },
    spec: {
      timeZone,
      weekly: [
        {
          days: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
          start: "00:00",
          end: "24:00",
        },
      ],
    },
  });
const released = async () => {
  await world.stopOperators();
  const { code, output } = await world.release();
  expect(code, output).toBe(0);
};
const streamReady = async (spec: Parameters<World["stream"]>[0] = {}) => {
  await world.secret();
  await world.stream(spec);
  if (world.operators.length === 0) world.startOperator();
  await world.streamIs("support", { Ready: "True" });
};
type ReachState = () => Promise<unknown>;

const states: Record<string, { type: ResourceType; name: string; states: Record<string, ReachState> }> = {
  WorkStream: {
    type: workStreams as ResourceType,
    name: "support",
    states: {
      "no operator has seen it": () => world.stream(),
      "nothing known yet": async () => {
        world.simulator.control.faults({ kind: "slow", ms: 600_000, when: "before" });
        await world.secret();
        await world.stream();
        world.startOperator();
        await world.streamIs("support", { Ready: "Unknown", Reconciling: "True" });
      },
      "waits for its Secret": async () => {
        await world.stream();
        world.startOperator();
        await world.streamIs("support", { Ready: "SecretNotFound", Reconciling: "True" });
      },
      "waits for its Secret for longer": async () => {
        await world.stream();
        world.startOperator();
        await inTime(workStreams, "support", { Ready: "SecretNotFound", Stalled: "True" });
      },
      "wrong credentials": async () => {
        await world.secret({ authToken: "not-the-auth-token-000000000000" });
        await world.stream();
        world.startOperator();
        await world.streamIs("support", { Ready: "TwilioUnauthorized", Stalled: "True" });
      },
      ready: () => streamReady(),
      "ready and suspended": () => streamReady({ suspend: true }),
      "suspended, with wrong credentials": async () => {
        await world.secret({ authToken: "not-the-auth-token-000000000000" });
        await world.stream({ suspend: true });
        world.startOperator();
        await world.streamIs("support", { Ready: "TwilioUnauthorized", Stalled: "True" });
      },
      "changed, and the operator has not looked": async () => {
        await streamReady();
        await world.stopOperators();
        await world.stream({ displayName: "Support" });
      },
      "the operator was uninstalled": async () => {
        await streamReady();
        await released();
      },
      "deleted, held by another finalizer": async () => {
        await streamReady();
        await world.stopOperators();
        const hold = JSON.stringify({ metadata: { finalizers: [HOLD] } });
        await kubectl(["-n", world.namespace, "patch", "ws/support", "--type=merge", "-p", hold]);
        await world.client.delete(workStreams, { namespace: world.namespace, name: "support" });
      },
    },
  },
  SmsNumber: {
    type: smsNumbers as ResourceType,
    name: "line",
    states: {
      "no operator has seen it": () => world.number(),
      "nothing known yet": async () => {
        world.simulator.control.faults({ kind: "slow", ms: 600_000, when: "before" });
        await world.secret();
        await world.stream();
        await world.number();
        world.startOperator();
        await world.numberIs("line", { Ready: "Unknown", Reconciling: "True" });
      },
      "waits for its WorkStream": async () => {
        await world.number();
        world.startOperator();
        await world.numberIs("line", { Ready: "WorkStreamNotFound", Reconciling: "True" });
      },
      "waits for its WorkStream for longer": async () => {
        await world.number();
        world.startOperator();
        await inTime(smsNumbers, "line", { Ready: "WorkStreamNotFound", Stalled: "True" });
      },
      "the account does not own it": async () => {
        await streamReady();
        await world.number({ number: "14155550199" });
        await world.numberIs("line", { Ready: "NumberNotInAccount", Stalled: "True" });
      },
      "wired elsewhere": async () => {
        await wiredElsewhere();
        await streamReady();
        await world.number();
        await world.numberIs("line", { Ready: "WebhookOwnedByOther", Stalled: "True" });
      },
      ready: () => world.wired(),
      "was ready, and Twilio is away": async () => {
        await world.wired();
        world.simulator.control.faults({ kind: "status", status: 503 });
        await inTime(smsNumbers, "line", { Ready: "TwilioUnavailable", Reconciling: "True" });
      },
      "was ready, and Twilio is away for longer": async () => {
        await world.wired();
        world.simulator.control.faults({ kind: "status", status: 503 });
        await inTime(smsNumbers, "line", { Ready: "TwilioUnavailable", Stalled: "True" });
      },
      "suspended after it was wired": async () => {
        await world.wired();
        await world.number({ suspend: true });
        await world.numberIs("line", { Ready: "True" });
      },
      "suspended before it was wired": async () => {
        await streamReady();
        await world.number({ suspend: true });
        await world.numberIs("line", { Ready: "Suspended" });
      },
      "observed after it was wired": async () => {
        await world.wired();
        await world.number({ managementPolicy: "Observe" });
        await world.numberIs("line", { Ready: "True" });
      },
      "observed before it was wired": async () => {
        await streamReady();
        await world.number({ managementPolicy: "Observe" });
        await world.numberIs("line", { Ready: "Observing" });
      },
      "changed, and the operator has not looked": async () => {
        await world.wired();
        await world.stopOperators();
        await world.number({ description: "Main line" });
      },
      "the operator was uninstalled": async () => {
        await world.wired();
        await released();
      },
      "deleted, and nobody has looked": async () => {
        await world.wired();
        await world.stopOperators();
        await world.deleteNumber();
      },
      "deleted while Twilio is away": async () => {
        await world.wired();
        world.simulator.control.faults({ kind: "status", status: 503 });
        await world.deleteNumber();
        await world.numberIs("line", { Ready: "DeletionWaits", Reconciling: "TwilioUnavailable" });
        await eventually("an event says so too", async () =>
          (await world.events()).find(({ note }) => note.startsWith("deletion waits: Twilio answered")),
        );
      },
    },
  },
  OperatingHours: {
    type: operatingHours as ResourceType,
    name: "always",
    states: {
      "no operator has seen it": () => hours(),
      ready: async () => {
        await hours();
        world.startOperator();
        await world.hoursAre("always", { Ready: "True" });
      },
      "unknown time zone": async () => {
        await hours("America/Atlantis");
        world.startOperator();
        await world.hoursAre("always", { Ready: "TimeZoneUnknown", Stalled: "True" });
      },
      "changed, and the operator has not looked": async () => {
        await hours();
        world.startOperator();
        await world.hoursAre("always", { Ready: "True" });
        await world.stopOperators();
        await hours("Etc/GMT");
      },
      "the operator was uninstalled": async () => {
        await hours();
        world.startOperator();
        await world.hoursAre("always", { Ready: "True" });
        await released();
      },
    },
  },
};

const fileOf = (state: string) =>
  `testdata/${state.replaceAll(",", "").replaceAll(" ", "-").toLowerCase()}.yaml`;

for (const [kind, { type, name, states: ofKind }] of Object.entries(states))
  describe(kind, () => {
    test("health_test.yaml has exactly the states that these tests bring about", async () => {
      const named = (await healthTests(kind)).map(({ inputPath }) => inputPath);
      expect(named).toEqual(Object.keys(ofKind).map(fileOf));
    });

    for (const [state, reach] of Object.entries(ofKind))
      test(`an object in the state "${state}" has the health that health_test.yaml says`, async () => {
        await reach();
        const live = (await world.client.get(type, { namespace: world.namespace, name }))!;
        const path = fileOf(state);
        const object = recorded(live, {
          [world.publicUrl]: "https://sms.example.com",
          [world.instance]: "sms-channel-operator/sms-channel-operator",
          [world.namespace]: "team-a",
        });
        if (process.env.RECORD_TESTDATA === "1") await writeTestdata(kind, path, object);
        expect(object).toEqual(await readTestdata(kind, path));
        const script = await healthScript();
        const [answer] = await healthOf([{ script, object }]);
        const row = (await healthTests(kind)).find(({ inputPath }) => inputPath === path);
        expect(answer?.returned).toEqual(row?.healthStatus);
        const { deletionMessage, ...shown } = row!.healthStatus;
        if (live.metadata.deletionTimestamp === undefined || deletionMessage !== undefined)
          expect(answer?.shown).toEqual({
            ...shown,
            ...(deletionMessage === undefined ? {} : { message: deletionMessage }),
          });
        else expect(answer?.shown?.status).toBe("Progressing");
      });
  });

test("objects that are Healthy stay Healthy in a short outage of Twilio", async () => {
  await world.wired();
  world.simulator.control.faults({ kind: "status", status: 503 });
  world.simulator.control.clearRequests();
  clock.skip(RESYNC_MS * 1.2);
  await eventually("a resync has failed", () =>
    world.simulator.control.requests().some(({ status }) => status === 503) ? true : undefined,
  );
  const objects = [
    await world.streamIs("support", { Ready: "True" }),
    await world.numberIs("line", { Ready: "True" }),
  ];
  const script = await healthScript();
  const answers = await healthOf(objects.map((object) => ({ script, object })));
  expect(answers.map(({ shown }) => shown?.status)).toEqual(["Healthy", "Healthy"]);
});
