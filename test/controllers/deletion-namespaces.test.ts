import { afterAll, beforeAll, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { namespaces } from "../../src/kube/resource.ts";
import { kubectl } from "../support/cluster.ts";
import { World } from "../support/world.ts";

let world: World;
const webhook = () => {
  const { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid } = world.atTwilio();
  return { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid };
};

beforeAll(async () => {
  world = await World.start({ namespaces: 2 });
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
  expect(await world.previousWebhooks()).toEqual([]);
});
