import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { waitFor } from "../../demo/expect.ts";
import { demoAccount } from "../../src/simulator/state/default-seed.ts";
import { type OwnerSecret, query, storedTexts } from "./database.ts";
import { explainFailures } from "./failure.ts";
import { apply, ClusterApi, kubectl, list } from "./kubectl.ts";
import { examples, restrictedNamespace } from "./manifests.ts";
import { connects, kubernetesPorts, strangerConnects } from "./network.ts";
import { imageValues, older, Release, underTest } from "./release.ts";
import { rightsIn } from "./rights.ts";
import { type Streamed, TextStream } from "./stream.ts";
import { tell } from "./tell.ts";
import { ClusterTwilio, type WebhookAtTwilio } from "./twilio.ts";

// The life of one installation: an older version is installed and used, disturbed under load, upgraded, rolled back, upgraded again,
// tested and uninstalled. Each test begins where the test before it ended.

const number = demoAccount.number.slice(1);
const team = `${inject("runId")}-team`;
const operator = `${inject("runId")}-operator`;
/** Texts per second while pods are killed and replaced. */
const RATE = 50;

let api: ClusterApi;
let twilio: ClusterTwilio;
let release: Release;
let before: WebhookAtTwilio;
/** The name that the chart gives to the evaluation database and to the Secret with its URLs. */
const database: OwnerSecret = { namespace: operator, name: "sms-channel-operator-database" };

explainFailures();

beforeAll(async () => {
  tell(`the namespaces of this run begin with ${inject("runId")}`);
  await apply(restrictedNamespace(team), restrictedNamespace(operator));
  const { sid, authToken } = demoAccount;
  api = await ClusterApi.open();
  twilio = await ClusterTwilio.start(api, {
    accounts: [{ sid, authToken }],
    numbers: [{ sid: demoAccount.numberSid, accountSid: sid, phoneNumber: demoAccount.number }],
  });
  before = await twilio.webhookOf(number);
  const values = {
    watchNamespaces: [team],
    // The ports of the receiver and of the simulated Twilio, both at their Services and at their pods.
    networkPolicy: {
      egress: { enabled: true, kubernetesPorts: await kubernetesPorts(), httpsPorts: [80, 4010, 8080] },
    },
    evaluationDatabase: {
      enabled: true,
      ...imageValues(inject("postgresImage")),
      userId: inject("postgresUser"),
      storage: { size: "1Gi" },
    },
  };
  release = new Release(operator, twilio, values, older());
});

afterAll(async () => {
  await kubectl(["delete", "namespace", team, "--ignore-not-found", "--timeout=120s"]);
  await release?.remove();
  await twilio?.stop();
  await api?.close();
});

test("helm install brings controller and receiver up in a restricted namespace", async () => {
  // After earlier tests, kubectl may own the kinds, in another version than the older chart has. These flags let Helm take them over.
  await release.install("--take-ownership", "--force-conflicts");
  await release.rolledOut("controller", "receiver");
});

test("the samples become Ready, and a text that is sent to the number is stored", async () => {
  await apply(...examples(team));
  await ready();
  const { smsUrl } = await twilio.webhookOf(number);
  expect(smsUrl).toContain(`http://${release.name}-receiver.${operator}.svc/inbound/${team}/support#`);
  expect(await twilio.updates()).toHaveLength(1);
  const text = await twilio.receive({ from: "+12065550100", to: demoAccount.number, body: "Hello" });
  expect(text.outcome).toBe("delivered");
  expect((await storedTexts(database)).get(text.messageSid!)).toBe(1);
});

test("no text is refused, lost or stored twice, and no webhook is set again, when pods are deleted and the release is upgraded and rolled back", async () => {
  const stream = new TextStream(twilio, demoAccount.number, RATE);
  await flowing(stream);

  await deleteOnePod("receiver", await podOf("receiver"));
  const leader = await release.leader();
  await deleteOnePod("controller", leader);
  await newLeader(leader);

  await upgraded(stream);

  await release.rollback();
  await release.rolledOut("controller", "receiver");
  await flowing(stream);

  await upgraded(stream);

  const { acknowledged, refused, retried, unknown } = await summed(stream);
  // Twilio did not have to repeat a request: every receiver that it called answered.
  expect({ refused, retried, unknown }).toEqual({ refused: [], retried: {}, unknown: {} });
  expect(await lostOrDoubled(acknowledged)).toEqual({ lost: [], doubled: [] });
  // The webhook was right all the time, so a new leader changes nothing.
  expect(await twilio.updates()).toEqual([]);
  await ready();
});

test("the receiver's account may read its compiled Secrets and nothing else", async () => {
  const account = `${release.name}-receiver`;
  expect(await rightsIn(operator, operator, account)).toEqual(
    [0, 1, 2, 3].map((shard) => ({
      resources: "secrets",
      names: [`${release.name}-receiver-${shard}`],
      verbs: ["get", "list", "watch"],
    })),
  );
  for (const namespace of [team, "default", "kube-system"])
    expect([namespace, await rightsIn(namespace, operator, account)]).toEqual([namespace, []]);
});

test("helm test sends a signed text through the Service and finds it in the store", async () => {
  const said = await release.test();
  // Helm also reports success for a chart without tests, so the output must name the test.
  expect(said).toMatch(/TEST SUITE:\s+sms-channel-operator-test\n[\s\S]*Phase:\s+Succeeded/);
});

if (inject("enforcesPolicies"))
  test("NetworkPolicies let through what each process needs, and nothing else", async () => {
    const postgres = `${database.name}.${operator}.svc`;
    const receiver = `${release.name}-receiver.${operator}.svc`;
    const metrics = await podIpOf("receiver");
    const stranger = { namespace: team, image: inject("image") };
    const [fromReceiver, fromController] = ["receiver", "controller"].map(
      (component) => (host: string, port: number) =>
        connects(operator, `deployment/${release.name}-${component}`, host, port),
    );
    const twilioHost = new URL(twilio.baseUrl).hostname;
    expect({
      "a stranger to the receiver": await strangerConnects(stranger, "stranger-1", receiver, 80),
      "a stranger to the database": await strangerConnects(stranger, "stranger-2", postgres, 5432),
      "a stranger to a receiver's metrics": await strangerConnects(stranger, "stranger-3", metrics, 9090),
      "the receiver to the database": await fromReceiver!(postgres, 5432),
      "the receiver to Twilio": await fromReceiver!(twilioHost, 4010),
      "the controller to Twilio": await fromController!(twilioHost, 4010),
      "the controller to a receiver's metrics": await fromController!(metrics, 9090),
    }).toEqual({
      "a stranger to the receiver": "open",
      "a stranger to the database": refused,
      "a stranger to a receiver's metrics": refused,
      "the receiver to the database": "open",
      "the receiver to Twilio": refused,
      "the controller to Twilio": "open",
      "the controller to a receiver's metrics": refused,
    });
  });

test("a database that restarts under load loses no text that was acknowledged", async () => {
  const stream = new TextStream(twilio, demoAccount.number, RATE);
  await flowing(stream);
  tell("deleting the database's pod, which gets one second to end");
  await release.kubectl("delete", "pod", `${database.name}-0`, "--grace-period=1", "--timeout=90s");
  await release.kubectl("rollout", "status", `statefulset/${database.name}`, "--timeout=120s");
  await flowing(stream);

  const { acknowledged, unknown } = await summed(stream);
  expect(unknown).toEqual({});
  expect(await lostOrDoubled(acknowledged)).toEqual({ lost: [], doubled: [] });
  await ready();
});

test("the receivers use a database password that was rotated in its Secret, and no pod restarts", async () => {
  const pods = await startsOf("receiver");
  const [secret] = await list<{ data: Record<string, string> }>(
    ...["-n", operator, "secrets", `--field-selector=metadata.name=${database.name}`],
  );
  const url = new URL(Buffer.from(secret!.data["receiver-url"]!, "base64").toString());
  url.password = randomBytes(16).toString("hex");
  await query(database, `alter role "${url.username}" password '${url.password}'`);
  const stringData = JSON.stringify({ stringData: { "receiver-url": url.href } });
  await release.kubectl("patch", "secret", database.name, "-p", stringData);
  tell("the password is rotated; the kubelet updates it in the pods within two minutes");
  // Open connections keep working after the password has changed, so each try closes them all. The Service spreads texts over the
  // receivers, so several texts in a row reach all receivers.
  let inARow = 0;
  await waitFor({
    expected: "texts over connections with the new password",
    look: async () => {
      await query(
        database,
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${url.username}'`,
      );
      const text = { from: "+12065550100", to: demoAccount.number, body: "rotated" };
      const { outcome, attempts } = await twilio.receive(text);
      inARow = outcome === "delivered" && attempts.length === 1 ? inARow + 1 : 0;
      return inARow >= 6 ? true : undefined;
    },
    seen: () => `${inARow} in a row`,
    withinMs: 200_000,
    signal: AbortSignal.timeout(240_000),
  });
  expect(await startsOf("receiver")).toEqual(pods);
});

const restartNode = inject("restartNode");
if (restartNode !== "")
  test("everything works again after the node and all its pods have restarted", async () => {
    const text = { from: "+12065550100", to: demoAccount.number, body: "before" };
    const first = await twilio.receive(text);
    expect(first.outcome).toBe("delivered");
    tell(`restarting the node: ${restartNode}`);
    await promisify(execFile)("sh", ["-c", restartNode]);
    tell("the node is back");
    await release.kubectl("rollout", "status", `statefulset/${database.name}`, "--timeout=120s");
    await release.rolledOut("controller", "receiver");
    // The simulator's pod lost its state, so the number has its first webhook again, which is drift.
    let smsUrl = "";
    await waitFor({
      expected: "the webhook to be set back",
      look: async () => {
        // While the simulator's pod is not back yet, its error takes the place of the URL, and the test goes on waiting.
        ({ smsUrl } = await twilio.webhookOf(number).catch(({ message }: Error) => ({ smsUrl: message })));
        return smsUrl.includes(`/inbound/${team}/support#`) ? true : undefined;
      },
      seen: () => smsUrl,
      withinMs: 120_000,
      signal: AbortSignal.timeout(150_000),
    });
    await ready();
    const second = await twilio.receive({ ...text, body: "after" });
    expect(second.outcome).toBe("delivered");
    const stored = await storedTexts(database);
    expect([first, second].map(({ messageSid }) => stored.get(messageSid!))).toEqual([1, 1]);
  });

test("helm uninstall first gives the webhook back, and leaves its namespace empty and the team's objects without finalizers", async () => {
  await release.uninstall();
  expect(await twilio.webhookOf(number)).toEqual(before);
  const left = await list<{ metadata: { finalizers?: string[] } }>("-n", team, "smsnumbers,workstreams");
  expect(left.map(({ metadata }) => metadata.finalizers ?? [])).toEqual(left.map(() => []));
  await emptied(operator);
  tell("deleting the team's namespace, now that no operator could remove a finalizer");
  await kubectl(["delete", "namespace", team, "--timeout=60s"]);
});

async function ready(): Promise<void> {
  tell("waiting until all objects of the team are Ready");
  const kinds = "smsnumbers,workstreams,operatinghours";
  await kubectl(["-n", team, "wait", "--for=condition=Ready", kinds, "--all", "--timeout=120s"]);
}

/** Upgrades from the older version to the version under test. For a while old and new receivers serve together. */
async function upgraded(stream: TextStream): Promise<void> {
  await release.upgradeTo(underTest(), "--set", "receiver.podAnnotations.version=next");
  await sideBySide("receiver");
  await release.rolledOut("controller", "receiver");
  await flowing(stream);
}

/** Waits until as many more texts were acknowledged as are sent in two seconds. */
async function flowing(stream: TextStream): Promise<void> {
  const from = stream.acknowledged;
  await waitFor({
    expected: "texts to come through",
    look: () => (stream.acknowledged >= from + 2 * RATE ? true : undefined),
    seen: () => `${stream.acknowledged - from} of ${2 * RATE}`,
    withinMs: 30_000,
    signal: AbortSignal.timeout(60_000),
  });
}

async function summed(stream: TextStream): Promise<Streamed> {
  const result = await stream.stop();
  const { sent, acknowledged, refused, retried } = result;
  const again = Object.entries(retried).map(
    ([why, { times, from, until }]) => `${times} × ${why}, ${from} to ${until} s after the stream began`,
  );
  tell(`${sent} texts, ${acknowledged.length} acknowledged, ${refused.length} given up by Twilio`);
  if (again.length > 0) tell(`Twilio tried again: ${again.join("; ")}`);
  return result;
}

/** Each pod of a component, and how often its container was restarted. */
async function startsOf(component: string): Promise<Record<string, number>> {
  type Pod = {
    metadata: { name: string };
    status: { containerStatuses?: { restartCount: number }[] };
  };
  const pods = await list<Pod>(...["-n", operator, "pods", "-l", `app.kubernetes.io/component=${component}`]);
  return Object.fromEntries(
    pods.map(({ metadata, status }) => [metadata.name, status.containerStatuses?.[0]?.restartCount ?? 0]),
  );
}

/** What a try to connect prints when a NetworkPolicy forbids it: some implementations drop the packets, others reject them. */
const refused = expect.stringMatching(/^(silent|ECONNREFUSED|EHOSTUNREACH)$/);

async function podIpOf(component: string): Promise<string> {
  const [pod] = await list<{ status: { podIP: string } }>(
    ...["-n", operator, "pods", "-l", `app.kubernetes.io/component=${component}`],
  );
  return pod!.status.podIP;
}

async function podOf(component: string): Promise<string> {
  const [pod] = await list<{ metadata: { name: string } }>(
    ...["-n", operator, "pods", "-l", `app.kubernetes.io/component=${component}`],
  );
  return pod!.metadata.name;
}

async function deleteOnePod(component: "controller" | "receiver", pod: string): Promise<void> {
  tell(`kubectl delete pod ${pod}`);
  await release.kubectl("delete", "pod", pod, "--timeout=60s");
  await release.rolledOut(component);
}

async function newLeader(former: string): Promise<void> {
  let leader = former;
  await waitFor({
    expected: "another controller to lead",
    look: async () => {
      leader = await release.leader();
      return leader !== former && leader !== "" ? leader : undefined;
    },
    seen: () => leader,
    withinMs: 60_000,
    signal: AbortSignal.timeout(90_000),
  });
  tell(`the controller ${leader} leads now`);
}

/** Waits until pods of the old and of the new revision are Ready at the same time. */
async function sideBySide(component: string): Promise<void> {
  type Pod = {
    metadata: { annotations?: { version?: string } };
    status: { conditions?: { type: string; status: string }[] };
  };
  let seen: string[] = [];
  await waitFor({
    expected: "pods of both versions to be Ready",
    look: async () => {
      const pods = await list<Pod>("-n", operator, "pods", "-l", `app.kubernetes.io/component=${component}`);
      const isReady = ({ status }: Pod) =>
        status.conditions?.some((one) => one.type === "Ready" && one.status === "True");
      seen = pods.filter(isReady).map(({ metadata }) => metadata.annotations?.version ?? "old");
      return new Set(seen).size === 2 ? true : undefined;
    },
    seen: () => seen.join(", "),
    withinMs: 120_000,
    signal: AbortSignal.timeout(150_000),
  });
  tell("pods of the old and the new version run side by side");
}

async function lostOrDoubled(acknowledged: readonly string[]) {
  const stored = await storedTexts(database);
  return {
    lost: acknowledged.filter((sid) => !stored.has(sid)),
    doubled: acknowledged.filter((sid) => (stored.get(sid) ?? 0) > 1),
  };
}

/** Waits until a namespace is empty. This takes time: pods drain, and the volume claim is deleted after its StatefulSet. */
async function emptied(namespace: string): Promise<void> {
  let left: string[] = [];
  await waitFor({
    expected: `nothing to be left in ${namespace}`,
    look: async () => {
      left = await everythingIn(namespace);
      return left.length === 0 ? true : undefined;
    },
    seen: () => left.join(", "),
    withinMs: 90_000,
    signal: AbortSignal.timeout(120_000),
  });
}

/** Names of the objects in a namespace, without those that every namespace has. */
async function everythingIn(namespace: string): Promise<string[]> {
  const kinds = await kubectl(["api-resources", "--namespaced", "--verbs=list", "-o", "name"]);
  const wanted = kinds
    .trim()
    .split("\n")
    .filter((kind) => !/^events(\.|$)|metrics/.test(kind));
  const names = await kubectl(["-n", namespace, "get", wanted.join(","), "-o", "name", "--ignore-not-found"]);
  const always = /^(configmap\/kube-root-ca\.crt|serviceaccount\/default)$/;
  return names
    .trim()
    .split("\n")
    .filter((name) => name !== "" && !always.test(name));
}
