import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import { parse, stringify } from "yaml";
import { operatingHours, smsNumbers, workStreams } from "../../src/api/index.ts";
import { type KubeObject, type ResourceType, secrets } from "../../src/kube/resource.ts";
import { eventually } from "../support/eventually.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { World } from "../support/world.ts";
import { ArgoCd } from "./argocd.ts";
import { channel } from "./examples.ts";

// A real Argo CD syncs the project's own examples to a real API server, while the operator runs.

const APP = "channel";
const NAMES = { stream: "support", number: "support-line", hours: "support-hours" };
const FILES = {
  secret: "examples/00-secret.yaml",
  hours: "examples/10-operatinghours.yaml",
  stream: "examples/20-workstream.yaml",
  number: "examples/30-smsnumber.yaml",
};
const FOREGROUND = "resources-finalizer.argocd.argoproj.io";
const BACKGROUND = "resources-finalizer.argocd.argoproj.io/background";

let world: World;
let argocd: ArgoCd;
let before: object;
/** The operator's log. Most failures here are timeouts, and the log shows what the operator waited for. */
const operatorLog = recordedLog("debug");
beforeAll(async () => {
  [world, argocd] = await Promise.all([
    World.start({ config: { resyncIntervalMs: 1000 }, log: operatorLog.log }),
    ArgoCd.start(),
  ]);
});
afterAll(async () => {
  await argocd.stop();
  await world.stop();
});
beforeEach(async () => {
  const from = operatorLog.lines.length;
  onTestFailed(() => {
    process.stderr.write(`the operator's log:\n${operatorLog.lines.slice(from).slice(-100).join("")}\n`);
  });
  if (world.operators.length === 0) world.startOperator();
  before = world.webhook();
});
afterEach(async () => {
  world.simulator.control.clearFaults();
  await argocd.delete(APP);
  await argocd.gone(APP);
  expect(world.webhook()).toEqual(before);
  expect(await world.previousWebhooks()).toEqual([]);
});

const isOurs = () => expect(world.webhook().smsUrl).toContain(world.inboundUrl());
const live = async <T extends KubeObject>(type: ResourceType<T>, name: string) =>
  await world.client.get(type, { namespace: world.namespace, name });
const app = (more: Partial<Parameters<ArgoCd["app"]>[1]> = {}) =>
  argocd.app(APP, { path: "examples", namespace: world.namespace, ...more });
const without = (...names: (keyof typeof FILES)[]) => {
  const files = channel();
  for (const name of names) delete files[FILES[name]];
  return files;
};
/** The files of the example, with one of them changed. */
const changed = (name: keyof typeof FILES, change: (object: Edited) => void, files = channel()) => {
  const object = parse(files[FILES[name]]!) as Edited;
  change(object);
  return { ...files, [FILES[name]]: stringify(object) };
};
interface Edited {
  metadata: { annotations?: Record<string, string> };
  spec: Record<string, unknown>;
  stringData: Record<string, string>;
}
const inWave = (wave: number) => (object: Edited) => {
  object.metadata.annotations = { "argocd.argoproj.io/sync-wave": String(wave) };
};
const healthOfResource = ({ status }: NonNullable<Awaited<ReturnType<ArgoCd["get"]>>>, kind: string) =>
  status?.resources?.find((each) => each.kind === kind)?.health;

describe("a sync leaves no difference, and the deletion of the Application ends", () => {
  for (const [name, options] of Object.entries({
    "with client-side apply and a deletion in the foreground": { finalizer: FOREGROUND },
    "with server-side apply and a deletion in the background": {
      syncOptions: ["ServerSideApply=true"],
      finalizer: BACKGROUND,
    },
    "with server-side apply and server-side diff": {
      syncOptions: ["ServerSideApply=true"],
      annotations: { "argocd.argoproj.io/compare-options": "ServerSideDiff=true" },
      finalizer: FOREGROUND,
    },
  }))
    test(name, async () => {
      await argocd.commit(channel());
      await app(options);
      await argocd.is(APP, "Healthy");
      await world.numberIs(NAMES.number, { Ready: "True" });
      isOurs();
      // A changed webhook makes the operator write the status again: it sets the webhook back, and counts the repair in the status.
      Object.assign(world.atTwilio(), { smsUrl: "https://legacy.example.com/sms" });
      await eventually("repaired", async () =>
        (await live(smsNumbers, NAMES.number))?.status?.driftRepairs?.count === 1 ? true : undefined,
      );
      await argocd.refresh(APP);
      const { status } = await argocd.is(APP, "Healthy");
      expect(status?.resources?.map(({ kind, status }) => [kind, status]).sort()).toEqual([
        ["OperatingHours", "Synced"],
        ["Secret", "Synced"],
        ["SmsNumber", "Synced"],
        ["WorkStream", "Synced"],
      ]);
      expect(status?.conditions ?? []).toEqual([]);
      // With self-heal, a difference would have made Argo CD sync again and again, with one entry in the history for each sync.
      expect(status?.history).toHaveLength(1);
      for (const object of [
        await live(workStreams, NAMES.stream),
        await live(smsNumbers, NAMES.number),
        await live(operatingHours, NAMES.hours),
      ])
        expect(object?.metadata.generation).toBe(1);

      await argocd.delete(APP);
      await argocd.gone(APP);
      for (const [type, of] of [
        [secrets, "twilio"],
        [workStreams, NAMES.stream],
        [smsNumbers, NAMES.number],
        [operatingHours, NAMES.hours],
      ] as [ResourceType, string][])
        expect(await live(type, of), of).toBeUndefined();
      expect(world.webhook()).toEqual(before);
    });
});

describe("pruning", () => {
  test("the number alone restores its webhook, and the stream stays", async () => {
    await argocd.commit(channel());
    await app();
    await argocd.is(APP, "Healthy");
    await argocd.commit(without("number"));
    await argocd.refresh(APP);
    await argocd.is(APP, "Healthy");
    await world.gone(smsNumbers, NAMES.number);
    expect(world.webhook()).toEqual(before);
    await world.streamIs(NAMES.stream, { Ready: "True", NumberReady: "NoNumber" });
  });

  test("Secret, stream and number in one commit restores the webhook as well", async () => {
    await argocd.commit(channel());
    await app();
    await argocd.is(APP, "Healthy");
    await argocd.commit(without("secret", "stream", "number"));
    await argocd.refresh(APP);
    await argocd.is(APP, "Healthy");
    await world.gone(smsNumbers, NAMES.number);
    expect(await live(secrets, "twilio")).toBeUndefined();
    expect(await live(workStreams, NAMES.stream)).toBeUndefined();
    expect(world.webhook()).toEqual(before);
  });

  test("a number waits while Twilio is unavailable, and the Application says why", async () => {
    await argocd.commit(channel());
    await app();
    await argocd.is(APP, "Healthy");
    world.simulator.control.faults({ kind: "status", status: 503 });
    await argocd.commit(without("number"));
    await argocd.refresh(APP);
    const waiting = await argocd.until(APP, "says what it waits for", (each) =>
      /TwilioUnavailable/.test(healthOfResource(each, "SmsNumber")?.message ?? ""),
    );
    expect(healthOfResource(waiting, "SmsNumber")).toMatchObject({
      status: "Progressing",
      message: expect.stringMatching(/^Pending deletion: .* webhook at Twilio .*; TwilioUnavailable: /),
    });
    expect(waiting.status).toMatchObject({
      sync: { status: "OutOfSync" },
      health: { status: "Progressing" },
    });
    world.simulator.control.clearFaults();
    await argocd.is(APP, "Healthy");
    expect(world.webhook()).toEqual(before);
  });
});

describe("the Application has the health of the channel", () => {
  test("while the Secret is missing, then wrong, then right", async () => {
    await argocd.commit(without("secret"));
    await app();
    await argocd.is(APP, "Progressing");
    await argocd.until(APP, "says what it waits for", (each) =>
      /^SecretNotFound: /.test(healthOfResource(each, "WorkStream")?.message ?? ""),
    );
    const wrong = changed("secret", ({ stringData }) => {
      stringData.authToken = "not-the-auth-token-000000000000";
    });
    await argocd.commit(wrong);
    await argocd.refresh(APP);
    await argocd.is(APP, "Degraded");
    await argocd.until(APP, "says what is wrong", (each) =>
      /^TwilioUnauthorized: /.test(healthOfResource(each, "WorkStream")?.message ?? ""),
    );
    await argocd.commit(channel());
    await argocd.refresh(APP);
    await argocd.is(APP, "Healthy");
  });

  test("while the number is suspended, and after that", async () => {
    await argocd.commit(channel());
    await app();
    await argocd.is(APP, "Healthy");
    await argocd.commit(changed("number", ({ spec }) => Object.assign(spec, { suspend: true })));
    await argocd.refresh(APP);
    await argocd.is(APP, "Suspended");
    await argocd.commit(channel());
    await argocd.refresh(APP);
    await argocd.is(APP, "Healthy");
  });
});

describe("sync waves", () => {
  /** Puts the number into a wave after the stream and everything else. */
  const waves = (files = channel()) => {
    const first = changed("stream", inWave(0), files);
    return changed("number", inWave(1), first);
  };

  test("the next wave waits until the stream is Ready, which the stream becomes without a number", async () => {
    await argocd.commit(waves(without("secret")));
    await app();
    await argocd.until(APP, "waits for the stream", ({ status }) =>
      /waiting for healthy state of smschannel.dev\/WorkStream/.test(status?.operationState?.message ?? ""),
    );
    expect(await live(smsNumbers, NAMES.number)).toBeUndefined();
    await world.secret();
    await argocd.is(APP, "Healthy");
    isOurs();
    await world.client.delete(secrets, { namespace: world.namespace, name: "twilio" });
  });

  test("a wave with a fault that only a person can fix fails immediately, with the operator's message", async () => {
    const wrong = changed("secret", ({ stringData }) => {
      stringData.authToken = "not-the-auth-token-000000000000";
    });
    await argocd.commit(waves(wrong));
    await app({ automated: undefined as never });
    await argocd.refresh(APP);
    await argocd.sync(APP);
    const failed = await argocd.until(
      APP,
      "failed",
      ({ status }) => status?.operationState?.phase === "Failed",
    );
    expect(JSON.stringify(failed.status?.operationState)).toContain("TwilioUnauthorized");
    expect(await live(smsNumbers, NAMES.number)).toBeUndefined();
  });

  test("a suspended stream holds back the next wave, so only a stream of the last wave should be suspended", async () => {
    const suspended = changed("stream", ({ spec }) => Object.assign(spec, { suspend: true }), waves());
    await argocd.commit(suspended);
    await app();
    const held = await argocd.until(
      APP,
      "held by the stream",
      ({ status }) =>
        /waiting for healthy state of smschannel.dev\/WorkStream/.test(
          status?.operationState?.message ?? "",
        ) && status?.resources?.some(({ health }) => health?.status === "Suspended") === true,
    );
    expect(held.status?.operationState?.phase).toBe("Running");
    expect(await live(smsNumbers, NAMES.number)).toBeUndefined();
    await argocd.terminate(APP);
  });
});

test("Argo CD does not list, prune or delete the Secrets that the operator creates in its own namespace", async () => {
  await argocd.commit({
    ...channel(),
    "operator/settings.yaml": stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "settings" },
      data: { of: "the operator" },
    }),
  });
  // This Application deploys into the namespace of the operator's Secrets. An Application that installs the operator does the same.
  await argocd.app("operator", { path: "operator", namespace: world.operatorNamespace });
  await app();
  await argocd.is(APP, "Healthy");
  await argocd.is("operator", "Healthy");
  await world.numberIs(NAMES.number, { Ready: "True" });
  const own = async () => {
    const { items } = await world.client.list(secrets, { namespace: world.operatorNamespace });
    return items.filter(({ type }) => type?.startsWith("smschannel.dev/"));
  };
  const made = await own();
  expect(made.length).toBeGreaterThanOrEqual(4);
  for (const { metadata } of made) {
    const marks = { ...metadata.labels, ...metadata.annotations };
    expect(
      Object.keys(marks).filter((key) => /argocd|app\.kubernetes\.io\/(instance|part-of)/.test(key)),
    ).toEqual([]);
    expect(metadata.ownerReferences).toBeUndefined();
  }
  await argocd.refresh("operator");
  const operator = await argocd.is("operator", "Healthy");
  expect(operator.status?.resources?.map(({ kind }) => kind)).toEqual(["ConfigMap"]);
  await argocd.delete("operator");
  await argocd.gone("operator");
  expect((await own()).map(({ metadata }) => metadata.uid)).toEqual(made.map(({ metadata }) => metadata.uid));
});
