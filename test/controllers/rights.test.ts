import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { operatingHours, smsNumbers } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import { createLog } from "../../src/log.ts";
import { type CuttingProxy, cuttingProxy } from "../kube/proxy.ts";
import { loadClient } from "../kube/widgets.ts";
import { kubeconfigPath } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { grant, inOperatorNamespace, inUsersNamespace } from "../support/rights.ts";
import { NUMBER } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

const OTHER_NUMBER = "14252306550";
let world: World;
let proxy: CuttingProxy;
let user: string;
let lines: string[];

/** The operator runs as a ServiceAccount that has only the permissions that a test grants. */
beforeEach(async () => {
  lines = [];
  const destination = { write: (line: string) => void lines.push(line) };
  world = await World.start({
    namespaces: 2,
    log: createLog({ level: "info", process: "test", destination }),
    config: { resyncIntervalMs: 1000 },
  });
  user = `system:serviceaccount:${world.operatorNamespace}:controller`;
  proxy = await cuttingProxy(kubeconfigPath(), { as: user });
  await grant(world.client, user, world.operatorNamespace, inOperatorNamespace);
  for (const namespace of world.namespaces) await grant(world.client, user, namespace, inUsersNamespace.rest);
});
afterEach(async () => {
  await world.stop();
  await proxy.close();
});

const startOperator = () => world.startOperator({}, { kubeconfig: proxy.kubeconfig });
const grantKinds = async (...plurals: string[]) => {
  for (const namespace of world.namespaces)
    await grant(world.client, user, namespace, plurals.flatMap(inUsersNamespace.kind));
};
const grantSecrets = (namespace: string) => grant(world.client, user, namespace, inUsersNamespace.secrets);
const applied = async (namespace: string, number: string) => {
  await world.secret({}, { namespace });
  await world.stream({ allowAutomatedMessages: true }, { namespace });
  await world.number({ number, takeover: "Always", operatingHoursRef: { name: "office" } }, { namespace });
  await world.apply(operatingHours, {
    metadata: { name: "office", namespace },
    spec: { timeZone: "Europe/Vienna" },
  });
};
/** Expects that log, metric and /readyz name the kind that is not watched. */
const told = async (operator: ReturnType<typeof startOperator>, kind: string, sentence: string) => {
  await eventually("the operator says so", () => (operator.problem() === undefined ? undefined : true));
  expect(operator.problem()).toContain(sentence);
  const metric = await world.operators[0]?.registry.metrics();
  expect(metric).toMatch(new RegExp(`^smschannel_watch_interrupted\\{kind="${kind}"\\} [12]$`, "m"));
  expect(lines.some((line) => line.includes("watch interrupted") && line.includes(kind))).toBe(true);
};
const allIsWell = (operator: ReturnType<typeof startOperator>) =>
  eventually(
    "nothing is wrong any more",
    () => (operator.problem() === undefined ? true : undefined),
    60_000,
  );

describe("the operator's permission to read Secrets", () => {
  test("if the permission is missing in one namespace, the objects there report it, and work once it is granted", async () => {
    const [open, closed] = world.namespaces as [string, string];
    await grantKinds("workstreams", "smsnumbers", "operatinghours");
    await grantSecrets(open);
    await applied(open, NUMBER);
    await applied(closed, OTHER_NUMBER);
    const before = world.atTwilio(OTHER_NUMBER).smsUrl;
    const operator = startOperator();
    await world.numberIs("line", { Ready: "True" }, open);
    const forbidden = await world.streamIs(
      "support",
      { CredentialsValid: "SecretForbidden", Stalled: "True" },
      closed,
    );
    expect(JSON.stringify(forbidden.status?.conditions)).toContain(
      `may not read Secrets in namespace ${closed}`,
    );
    await world.numberIs("line", { Ready: "SecretForbidden" }, closed);
    expect(world.atTwilio(OTHER_NUMBER).smsUrl).toBe(before);
    await told(operator, "Secret", `secrets in namespace ${closed}: may not list (Forbidden)`);

    await grantSecrets(closed);
    await world.streamIs("support", { CredentialsValid: "True" }, closed);
    await world.numberIs("line", { Ready: "True" }, closed);
    await allIsWell(operator);
  });

  test("if a running operator loses the permission, texts still arrive, and the stream reports the loss when its Secret changes", async () => {
    const { namespace } = world;
    await grantKinds("workstreams", "smsnumbers", "operatinghours");
    await grantSecrets(world.namespaces[1]!);
    const revoke = await grantSecrets(namespace);
    await applied(namespace, NUMBER);
    startOperator();
    await world.numberIs("line", { Ready: "True" });
    const { smsUrl } = world.atTwilio();

    await revoke();
    const asUser = loadClient(proxy.kubeconfig);
    await eventually("the right is gone", () =>
      asUser.get(secrets, { namespace, name: "twilio" }).then(
        () => undefined,
        () => true,
      ),
    );
    await asUser.close();
    expect((await world.text()).outcome).toBe("delivered");
    await world.numberIs("line", { Ready: "True" });
    await world.secret({ secondaryAuthToken: "another-token-000000000000000000" });
    await world.streamIs("support", { CredentialsValid: "SecretForbidden", Ready: "False" });
    expect((await world.text()).outcome).toBe("delivered");
    expect(world.atTwilio().smsUrl).toBe(smsUrl);

    await grantSecrets(namespace);
    await world.streamIs("support", { CredentialsValid: "True", Ready: "True" });
    await world.numberIs("line", { Ready: "True" });
    expect(world.updates()).toHaveLength(1);
  });
});

describe("missing permission to read one kind is reported, the other kinds work, and granting it later needs no restart", () => {
  const begin = async (missing: string) => {
    const rest = ["workstreams", "smsnumbers", "operatinghours"].filter((plural) => plural !== missing);
    await grantKinds(...rest);
    for (const namespace of world.namespaces) await grantSecrets(namespace);
  };

  test("when the kind is SmsNumber", async () => {
    await begin("smsnumbers");
    await applied(world.namespace, NUMBER);
    const operator = startOperator();
    await world.streamIs("support", { Ready: "True", NumberReady: "Progressing" });
    await world.hoursAre("office", { Ready: "True" });
    await told(operator, "SmsNumber", "smsnumbers");
    expect(
      (await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" }))?.status,
    ).toBeUndefined();
    await grantKinds("smsnumbers");
    await world.numberIs("line", { Ready: "True" });
    await world.streamIs("support", { NumberReady: "True" });
    await allIsWell(operator);
  });

  test("when the kind is OperatingHours", async () => {
    await begin("operatinghours");
    await applied(world.namespace, NUMBER);
    const operator = startOperator();
    await world.numberIs("line", { Ready: "True", Accepted: "True" });
    await told(operator, "OperatingHours", "operatinghours");
    await grantKinds("operatinghours");
    await world.hoursAre("office", { Ready: "True" });
    await allIsWell(operator);
  });

  test("when the kind is WorkStream: a wired number stays Ready and unchanged, and a new number waits", async () => {
    await begin("workstreams");
    const kinds = inUsersNamespace.kind("workstreams");
    const revoke = [];
    for (const namespace of world.namespaces) revoke.push(await grant(world.client, user, namespace, kinds));
    await applied(world.namespace, NUMBER);
    startOperator();
    await world.numberIs("line", { Ready: "True" });
    const { smsUrl } = world.atTwilio();
    await world.stopOperators();
    for (const take of revoke) await take();

    await applied(world.namespaces[1]!, OTHER_NUMBER);
    const operator = startOperator();
    const waiting = await world.numberIs("line", { Ready: "Progressing" }, world.namespaces[1]);
    expect(JSON.stringify(waiting.status)).not.toContain("NotFound");
    await told(operator, "WorkStream", "workstreams");
    await eventually("the wired number was reconciled", async () =>
      (await world.metric("smschannel_reconcile_total")) >= 4 ? true : undefined,
    );
    await world.numberIs("line", { Ready: "True", Accepted: "True" });
    expect(world.atTwilio().smsUrl).toBe(smsUrl);
    expect((await world.text()).outcome).toBe("delivered");

    await grantKinds("workstreams");
    await world.numberIs("line", { Ready: "True" }, world.namespaces[1]);
    await world.numberIs("line", { Ready: "True" });
    await allIsWell(operator);
    expect(world.updates()).toHaveLength(2);
  });
});
