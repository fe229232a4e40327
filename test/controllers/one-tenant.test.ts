import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type WorkStream, workStreams } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import { World } from "../support/world.ts";

// One tenant applies the most expensive objects that the API server accepts. The operator, which runs in this process,
// must still serve the other tenant.

/**
 * The longest time for which this thread may be blocked. The limit is generous because the machine may be busy. Before
 * routing rules were judged in a thread of their own, this thread was blocked for 16 s and more.
 */
const BLOCKED_MS = 3000;

let world: World;
beforeAll(async () => {
  world = await World.start({ namespaces: 2 });
  const [, other] = world.namespaces;
  await world.secret({}, { namespace: other! });
  await world.stream({}, { namespace: other! });
  await world.number({}, { namespace: other! });
  world.startOperator();
  await world.numberIs("line", { Ready: "True" }, other);
});
afterAll(() => world.stop());

/** Runs `work` and returns the longest time in milliseconds for which this thread did nothing else. */
async function longestPause(work: () => Promise<void>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  await work();
  delay.disable();
  return delay.max / 1e6;
}

const patterns: Record<string, string> = {
  "a hundred groups that are repeated 300 times": "(x?){300}".repeat(100),
  "130 letters that are repeated 1,000 times": "x{1000}".repeat(130),
};
for (const [name, pattern] of Object.entries(patterns))
  test(`64 routing rules of one tenant, each with a pattern of ${name}, do not delay the other tenant`, async () => {
    const [, other] = world.namespaces;
    const when = `message.text.matches('${pattern.slice(0, 970)}')`;
    const routingRules = Array.from({ length: 64 }, (_, at) => ({
      name: `r${at}`,
      when,
      queueRef: { name: "q" },
    }));
    const pause = await longestPause(async () => {
      await world.stream({ routingRules }, { name: "evil" });
      await world.number({ description: name }, { namespace: other! });
      await world.numberIs("line", { Ready: "True" }, other);
      const { status } = await world.streamIs("evil", { RoutingReady: "RoutingRuleInvalid" });
      const routing = status?.conditions?.find(({ type }) => type === "RoutingReady");
      expect(routing?.message).toMatch(/^rule r0: the pattern .*; and 59 more$/);
    });
    expect(pause).toBeLessThan(BLOCKED_MS);
  });

test("one tenant's Secret with 60,000 labels and WorkStream with 5,000 labels do not delay the other tenant", async () => {
  const [own, other] = world.namespaces;
  const labels = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at.toString(36)}`, ""]));
  const pause = await longestPause(async () => {
    // The objects are created and not applied, because the API server needs more time to apply so many labels than a
    // request may last.
    await world.client.create(secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "labelled", namespace: own!, labels: labels(60_000) },
    });
    await world.client.create(workStreams, {
      apiVersion: "smschannel.dev/v1alpha1",
      kind: "WorkStream",
      metadata: { name: "labelled", namespace: own!, labels: labels(5000) },
      spec: {
        autoCloseAfterInactivity: "48h",
        sms: { twilio: { credentialsSecretRef: { name: "labelled" } } },
      },
    } as WorkStream);
    await world.number({ description: "after labels" }, { namespace: other! });
    await world.numberIs("line", { Ready: "True" }, other);
    const refused = await world.streamIs("labelled", { CredentialsValid: "SecretKeyMissing" });
    expect(refused.metadata.labels).toBeUndefined();
  });
  expect(pause).toBeLessThan(BLOCKED_MS);
});
