import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import { systemClock } from "../../src/clock.ts";
import type { OperatorConfig } from "../../src/controllers/operator.ts";
import type { ResourceType } from "../../src/kube/resource.ts";
import { createLog } from "../../src/log.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { eventually } from "../support/eventually.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import { matches } from "../support/world/conditions.ts";
import { ACCOUNT, DEMO_WEBHOOK, NUMBER, OTHER_ACCOUNT, TOKEN } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;

const requests = () => world.simulator.control.requests();
const asked = (count: number) =>
  eventually(`${count} calls`, () => (requests().length >= count ? true : undefined));
/** Deletes all objects, sets the number at Twilio back to the demo reply, and starts a new operator. */
const afresh = async (config: Partial<OperatorConfig> = {}) => {
  world.simulator.control.clearFaults();
  for (const name of (await world.client.list(smsNumbers, { namespace: world.namespace })).items) {
    await world.deleteNumber(name.metadata.name);
    await world.gone(smsNumbers, name.metadata.name);
  }
  await world.client.delete(workStreams, { namespace: world.namespace, name: "support" });
  await world.gone(workStreams, "support");
  await world.stopOperators();
  Object.assign(world.atTwilio(), DEMO_WEBHOOK);
  world.simulator.control.clearRequests();
  world.startOperator(config);
};
const applied = async () => {
  await world.secret();
  await world.stream();
  await world.number();
};
const wiredOnce = async () => {
  await world.numberIs("line", { Ready: "True" });
  await world.streamIs("support", { Ready: "True" });
  expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
  expect((await world.text()).outcome).toBe("delivered");
};

describe("when Twilio fails while objects are applied", () => {
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world.stop());

  for (const [name, fault] of [
    ["answers with status 429", { kind: "status", status: 429 }],
    ["answers with status 429 and Retry-After", { kind: "status", status: 429, retryAfterSeconds: 1 }],
    ["answers with status 500 in JSON", { kind: "status", status: 500, body: "json" }],
    ["answers with status 502 in HTML", { kind: "status", status: 502, body: "html" }],
    ["connections that are reset", { kind: "reset", when: "before" }],
    ["answers that are cut off", { kind: "cut" }],
    ["answers that are garbage", { kind: "garbage" }],
  ] as [string, SimulatedFault][])
    test(`${name} keep the objects from being Ready only until the fault ends`, async () => {
      await afresh();
      world.simulator.control.faults(fault);
      await applied();
      const since = performance.now();
      await asked(6);
      await world.streamIs("support", { Ready: "False" });
      const seconds = (performance.now() - since) / 1000;
      // The operator must not retry without pauses. Each of the first attempts may repeat its reads; later attempts
      // have pauses between them.
      expect(requests().length).toBeLessThan(40 + 20 * seconds);
      expect(world.webhook()).toEqual(DEMO_WEBHOOK);
      world.simulator.control.clearFaults();
      await wiredOnce();
      expect(world.updates()).toHaveLength(1);
    });

  test("objects become Ready although a server in place of Twilio has no lists of short codes and Conversations addresses", async () => {
    await afresh();
    const missing = { kind: "status", status: 404, body: "html" } as const;
    world.simulator.control.faults([
      { ...missing, operation: "ListShortCode" },
      { ...missing, operation: "ListConfigurationAddress" },
    ]);
    await applied();
    await wiredOnce();
  });

  test("a minute of status 429 causes few requests to Twilio, and the objects are Ready within the next minute", async () => {
    await afresh();
    world.simulator.control.faults({ kind: "status", status: 429 });
    await applied();
    await world.streamIs("support", { Ready: "False" });
    world.simulator.control.clearRequests();
    // This test really waits for a minute, to see how many calls are made. The pauses between tries grow to at most
    // half a minute.
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    expect(requests().length).toBeGreaterThan(1);
    expect(requests().length).toBeLessThan(60);
    world.simulator.control.clearFaults();
    await eventually(
      "pointed at us",
      () => (world.atTwilio().smsUrl.includes(world.inboundUrl()) ? true : undefined),
      60_000,
    );
    await wiredOnce();
    expect(world.updates()).toHaveLength(1);
  }, 180_000);

  for (const [name, fault, most] of [
    ["a connection reset before Twilio read it", { kind: "reset", when: "before", count: 1 }, 2],
    ["a connection reset after Twilio applied it", { kind: "reset", when: "after", count: 1 }, 2],
    ["an answer that is cut off", { kind: "cut", count: 2 }, 4],
    ["an answer about another number", { kind: "otherNumber", count: 1 }, 2],
    ["three answers with status 429", { kind: "status", status: 429, count: 3 }, 4],
    ["four answers with status 500", { kind: "status", status: 500, count: 4 }, 6],
  ] as [string, SimulatedFault, number][])
    test(`an update that meets ${name} is repeated and takes effect once`, async () => {
      await afresh();
      world.simulator.control.faults({ ...fault, operation: "UpdateIncomingPhoneNumber" });
      await applied();
      await wiredOnce();
      expect(world.updates().length).toBeLessThanOrEqual(most);
      const number = await world.numberIs("line", { Ready: "True" });
      expect(number.status?.driftRepairs).toBeUndefined();
      expect(number.status?.previousWebhook?.host).toBe("demo.twilio.com");
      await world.deleteNumber();
      await world.gone(smsNumbers, "line");
      expect(world.webhook()).toEqual(DEMO_WEBHOOK);
    });

  test("an update that Twilio makes but never answers is checked after the time-out", async () => {
    await afresh();
    const hangs = { kind: "slow", ms: 600_000, when: "after", count: 1 } as const;
    world.simulator.control.faults({ ...hangs, operation: "UpdateIncomingPhoneNumber" });
    await applied();
    await wiredOnce();
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
  });

  test("a request for a list that Twilio never answers is reported, and delays no other account", async () => {
    await afresh();
    world.simulator.control.faults({
      kind: "slow",
      ms: 600_000,
      when: "before",
      operation: "ListIncomingPhoneNumber",
      accountSid: ACCOUNT,
    });
    await applied();
    await world.secret(OTHER_ACCOUNT, { name: "other" });
    await world.stream({ sms: { twilio: { credentialsSecretRef: { name: "other" } } } }, { name: "other" });
    await world.number({ number: "12065550100", workStreamRef: { name: "other" } }, { name: "other" });
    await world.numberIs("other", { Ready: "True" });
    const line = { namespace: world.namespace, name: "line" };
    // A read that Twilio does not answer is tried three times for 8 s each before it fails.
    await eventually(
      "it is told",
      async () => {
        const number = await world.client.get(smsNumbers, line);
        return matches(number!, { Ready: "TwilioUnavailable", Accepted: "True" }) ? true : undefined;
      },
      45_000,
    );
    expect(world.webhook()).toEqual(DEMO_WEBHOOK);
    world.simulator.control.clearFaults();
    await wiredOnce();
    await world.client.delete(workStreams, { namespace: world.namespace, name: "other" });
  }, 90_000);

  test("a short outage does not change a Ready object, and a long one is reported until it ends", async () => {
    await afresh({ resyncIntervalMs: 1000 });
    await applied();
    await wiredOnce();
    const ready = async () => {
      const object = await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" });
      return object?.status?.conditions?.find(({ type }) => type === "Ready");
    };
    const before = await ready();
    world.simulator.control.clearRequests();
    world.simulator.control.faults({ kind: "status", status: 500 });
    await asked(1);
    world.simulator.control.clearFaults();
    await eventually("a good answer", () =>
      requests().some(({ status }) => status === 200) ? true : undefined,
    );
    expect(await ready()).toEqual(before);

    world.simulator.control.faults({ kind: "status", status: 500 });
    await world.numberIs("line", { Ready: "TwilioUnavailable" });
    expect((await world.text()).outcome).toBe("delivered");
    world.simulator.control.clearFaults();
    await world.numberIs("line", { Ready: "True" });
    await world.streamIs("support", { Ready: "True" });
    expect(world.updates()).toEqual([]);
  });
});

describe("when Twilio fails from the operator's start on", () => {
  afterEach(() => world.stop());

  for (const [name, fault, reason] of [
    ["answers with status 500", { kind: "status", status: 500 }, "TwilioUnavailable"],
    ["answers with status 429", { kind: "status", status: 429 }, "TwilioThrottled"],
    ["reset connections", { kind: "reset", when: "before" }, "TwilioUnavailable"],
  ] as [string, SimulatedFault, string][])
    test(`stream and number both report ${name}, as Reconciling for five minutes and then as Stalled`, async () => {
      const clock = new SkippingClock();
      world = await World.start({ clock, receiverClock: systemClock });
      world.simulator.control.faults(fault);
      await applied();
      world.startOperator();
      const waits = { Ready: reason, Reconciling: "True", Stalled: "absent" };
      await world.streamIs("support", waits);
      await world.numberIs("line", { ...waits, NumberFound: "False", Accepted: "True" });
      const overdue = { Ready: reason, Stalled: "True", Reconciling: "absent" };
      const is = async (type: ResourceType, name: string) =>
        matches((await world.client.get(type, { namespace: world.namespace, name }))!, overdue);
      await eventually("both are stalled", async () => {
        clock.skip(30_000);
        return (await is(workStreams, "support")) && (await is(smsNumbers, "line")) ? true : undefined;
      });
      expect(world.webhook()).toEqual(DEMO_WEBHOOK);
      world.simulator.control.clearFaults();
      await eventually("all is well", async () => {
        clock.skip(30_000);
        const number = await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" });
        return matches(number!, { Ready: "True", Stalled: "absent" }) ? true : undefined;
      });
    });

  test("a Ready number stays Ready until three resyncs have failed, even if the Secret has a new token", async () => {
    const clock = new SkippingClock();
    world = await World.start({ clock, receiverClock: systemClock });
    await applied();
    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    await world.stopOperators();
    world.simulator.control.faults({ kind: "status", status: 500 });
    await world.secret({ secondaryAuthToken: "another-token-000000000000000000" });
    world.simulator.control.clearRequests();
    world.startOperator();
    await asked(6);
    const ready = async () => {
      const number = await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" });
      return number?.status?.conditions?.find(({ type }) => type === "Ready")?.status;
    };
    expect(await ready()).toBe("True");
    expect((await world.text()).outcome).toBe("delivered");
    const objects: [ResourceType, string][] = [
      [workStreams, "support"],
      [smsNumbers, "line"],
    ];
    for (const [type, name] of objects)
      await eventually(`${type.kind} is not Ready any more`, async () => {
        clock.skip(60_000);
        const found = await world.client.get(type, { namespace: world.namespace, name });
        return matches(found!, { Ready: "TwilioUnavailable" }) ? true : undefined;
      });
    expect((await world.text()).outcome).toBe("delivered");
  });
});

describe("credentials and other secrets do not leak", () => {
  afterEach(() => world.stop());

  test("to another host, neither through a link to a next page nor through the field region", async () => {
    world = await World.start();
    const thief = await listener(() => undefined);
    const twisted = await listener(async (path, init) => {
      const answer = await fetch(`${world.simulator.url}${path}`, init);
      const text = await answer.text();
      const body = text.replace(/"next_page_uri":null/, `"next_page_uri":"${thief.url}/2010-04-01/x.json"`);
      return {
        status: answer.status,
        body: body.replace(/"next_page_url":null/, `"next_page_url":"${thief.url}/v1/x"`),
      };
    });
    world.startOperator({ twilioBaseUrl: twisted.url });
    await applied();
    await world.numberIs("line", { Ready: "TwilioUnavailable" });
    expect(thief.seen).toEqual([]);
    expect(twisted.seen.length).toBeGreaterThan(0);
    const twilio = {
      credentialsSecretRef: { name: "twilio" },
      region: "evil.example.com/x",
      edge: "ashburn",
    };
    await expect(world.stream({ sms: { twilio } })).rejects.toThrow(/region/);
    await Promise.all([thief.close(), twisted.close()]);
  });

  test("into status, events, metrics or any line of the log", async () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    world = await World.start({ log: createLog({ level: "trace", process: "test", destination }) });
    const key = { apiKeySid: "SK00000000000000000000000000000002", apiKeySecret: "simulator-secret-main" };
    const seen: string[] = [];
    const look = async () => {
      const at = { namespace: world.namespace };
      const found = [
        await world.client.list(smsNumbers, at),
        await world.client.list(workStreams, at),
        await world.events(),
        await world.events(world.operatorNamespace),
        await world.operators[0]?.registry.metrics(),
      ];
      seen.push(JSON.stringify(found));
    };
    const userinfo = "https://bot:s3cret@legacy.example.com/sms?key=quer1";
    Object.assign(world.atTwilio(), { smsUrl: userinfo });
    await world.secret({ ...key, secondaryAuthToken: "another-token-000000000000000000" });
    await world.stream();
    await world.number();
    world.startOperator({ resyncIntervalMs: 500 });
    await world.numberIs("line", { Ready: "WebhookOwnedByOther" });
    await look();
    await world.number({ takeover: "Always" });
    await world.numberIs("line", { Ready: "True" });
    await world.text();
    Object.assign(world.atTwilio(), { smsUrl: userinfo });
    await world.event("WebhookRepaired", "line");
    world.simulator.control.faults({ kind: "status", status: 429, count: 2 });
    await eventually("throttled", () => (requests().some(({ status }) => status === 429) ? true : undefined));
    for (const status of [500, 401, 403]) {
      world.simulator.control.faults({ kind: "status", status });
      await world.numberIs("line", { Ready: "False" });
      await look();
      world.simulator.control.clearFaults();
      await world.numberIs("line", { Ready: "True" });
    }
    await world.secret({ authToken: "wr0ng-token" });
    await world.streamIs("support", { CredentialsValid: "TwilioUnauthorized" });
    await world.secret(key);
    await world.streamIs("support", { Ready: "True" });
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    await look();
    expect(world.atTwilio().smsUrl).toBe(userinfo);
    expect(lines.length).toBeGreaterThan(20);
    const all = [...lines, ...seen].join("\n");
    const login = (user: string, password: string) => Buffer.from(`${user}:${password}`).toString("base64");
    for (const secret of [
      TOKEN,
      Buffer.from(TOKEN).toString("base64"),
      login(ACCOUNT, TOKEN),
      login(key.apiKeySid, key.apiKeySecret),
      key.apiKeySecret,
      "another-token",
      "wr0ng-token",
      "s3cret",
      "quer1",
      "+1415555",
    ])
      expect(all.includes(secret), secret).toBe(false);
    expect(
      lines.some((line) => line.includes(NUMBER)),
      "numbers in the log",
    ).toBe(false);
  });
});

/** An HTTP server that records the paths of the requests it gets. */
async function listener(
  answer: (path: string, init: RequestInit) => Promise<{ status: number; body: string }> | undefined,
) {
  const seen: string[] = [];
  const server = createServer(async (request, response) => {
    const path = request.url ?? "/";
    seen.push(path);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = { authorization: request.headers.authorization ?? "" };
    const made = await answer(path, {
      method: request.method ?? "GET",
      headers: { ...headers, "content-type": request.headers["content-type"] ?? "" },
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks).toString() }),
    });
    response.writeHead(made?.status ?? 404, { "content-type": "application/json" }).end(made?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}
