import { afterAll, beforeAll, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { namespaces } from "../../src/kube/resource.ts";
import { createLog } from "../../src/log.ts";
import { kubectl } from "../support/cluster.ts";
import { NUMBER } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;
const webhook = () => {
  const { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid } = world.atTwilio();
  return { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid };
};

const logged: string[] = [];

beforeAll(async () => {
  const destination = { write: (line: string) => void logged.push(line) };
  world = await World.start({
    namespaces: 3,
    log: createLog({ level: "info", process: "test", destination }),
  });
});
afterAll(() => world.stop());

test("a number that another namespace waits for is handed over, and restored by the last", async () => {
  const before = webhook();
  const [first, second] = world.namespaces as [string, string];
  await world.wired();
  await world.secret({}, { namespace: second });
  await world.stream({}, { namespace: second });
  await world.number({}, { namespace: second });
  await world.numberIs("line", { Accepted: "NumberAlreadyClaimed" }, second);
  await world.deleteNumber("line", first);
  await world.gone(smsNumbers, "line", first);
  const heir = await world.numberIs("line", { Ready: "True" }, second);
  expect(heir.status?.previousWebhook?.host).toBe("demo.twilio.com");
  expect(webhook().smsUrl).toContain(world.inboundUrl("support", second));
  expect(await world.previousWebhooks()).toHaveLength(1);
  await world.deleteNumber("line", second);
  await world.gone(smsNumbers, "line", second);
  expect(webhook()).toEqual(before);
  expect(await world.previousWebhooks()).toEqual([]);
});

test("a whole namespace goes, and its webhook is put back", async () => {
  const before = webhook();
  await world.wired();
  const gone = await kubectl(["delete", "namespace", world.namespace, "--timeout=30s"]);
  expect(gone).toMatchObject({ code: 0 });
  expect(await world.client.get(namespaces, { name: world.namespace })).toBeUndefined();
  expect(webhook()).toEqual(before);
  expect(await world.previousWebhooks()).toEqual([]);
});

const wiredIn = async (namespace: string) => {
  await world.secret({}, { namespace });
  await world.stream({}, { namespace });
  await world.number({}, { namespace });
};
const gone = async (namespace: string) => {
  await world.deleteNumber("line", namespace);
  await world.gone(smsNumbers, "line", namespace);
};

test("a number that its holder only observes from now on goes to the other, with what was saved for it", async () => {
  const before = webhook();
  const [, second, third] = world.namespaces as [string, string, string];
  await wiredIn(third);
  await world.numberIs("line", { Ready: "True" }, third);
  await wiredIn(second);
  await world.numberIs("line", { Accepted: "NumberAlreadyClaimed" }, second);
  await world.number({ managementPolicy: "Observe" }, { namespace: third });
  const heir = await world.numberIs("line", { Ready: "True" }, second);
  expect(heir.status?.previousWebhook?.host).toBe("demo.twilio.com");
  await gone(third);
  expect(webhook().smsUrl).toContain(world.inboundUrl("support", second));
  await gone(second);
  expect(webhook()).toEqual(before);
  expect(await world.previousWebhooks()).toEqual([]);
});

test("a number whose holder's Secret is another account's goes to the other, with what was saved for it", async () => {
  const before = webhook();
  const [, second, third] = world.namespaces as [string, string, string];
  await wiredIn(third);
  await world.numberIs("line", { Ready: "True" }, third);
  const stranger = { accountSid: "AC00000000000000000000000000000002" };
  await world.secret({ ...stranger, authToken: "simulator-auth-token-0000000002" }, { namespace: third });
  await world.numberIs("line", { Ready: "NumberNotInAccount" }, third);
  await wiredIn(second);
  const heir = await world.numberIs("line", { Ready: "True" }, second);
  expect(heir.status?.previousWebhook?.host).toBe("demo.twilio.com");
  await gone(third);
  expect(webhook().smsUrl).toContain(world.inboundUrl("support", second));
  await gone(second);
  expect(webhook()).toEqual(before);
  expect(await world.previousWebhooks()).toEqual([]);
});

test("a namespace goes while Twilio refuses the token: the log says all that no event can, and it is counted", async () => {
  const before = webhook();
  const [, , third] = world.namespaces as [string, string, string];
  await wiredIn(third);
  await world.numberIs("line", { Ready: "True" }, third);
  logged.splice(0);
  world.simulator.control.faults({ kind: "status", status: 401 });
  expect(await kubectl(["delete", "namespace", third, "--timeout=40s"])).toMatchObject({ code: 0 });
  expect(webhook().smsUrl).toContain(world.inboundUrl("support", third));
  const lines = logged.map((line) => JSON.parse(line)).filter(({ level }) => level === "warn");
  const told = lines.filter(({ msg }) => msg.startsWith("number let go"));
  expect(told).toMatchObject([
    {
      ...{ kind: "SmsNumber", namespace: third, name: "line", number: NUMBER },
      reason: "TwilioUnauthorized",
      formerHost: "demo.twilio.com",
      remedy: expect.stringContaining("set it in Twilio's console"),
    },
  ]);
  expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(1);
  // Whoever has the number next, in whatever namespace, gives it back as it was.
  world.simulator.control.clearFaults();
  const [, second] = world.namespaces as [string, string];
  await wiredIn(second);
  await world.numberIs("line", { Ready: "True" }, second);
  await gone(second);
  expect(webhook()).toEqual(before);
  expect(await world.previousWebhooks()).toEqual([]);
});

test("a namespace does not hang while Twilio is down", async () => {
  await world.stopOperators();
  world.startOperator({ deleteTimeoutMs: 2000 });
  const [, second] = world.namespaces as [string, string];
  await world.secret({}, { namespace: second });
  await world.stream({}, { namespace: second });
  await world.number({}, { namespace: second });
  await world.numberIs("line", { Ready: "True" }, second);
  world.simulator.control.faults({ kind: "status", status: 503 });
  expect(await kubectl(["delete", "namespace", second, "--timeout=40s"])).toMatchObject({ code: 0 });
  expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(1);
  // Kept for the number, for whoever has it next.
  const { sid } = world.atTwilio();
  expect(await world.previousWebhooks()).toEqual([expect.stringContaining(sid.toLowerCase())]);
});
