import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { parse } from "yaml";
import { waitFor } from "../../demo/expect.ts";
import { demoAccount } from "../../src/simulator/state/default-seed.ts";
import { explainFailures } from "./failure.ts";
import { apply, ClusterApi, kubectl, list } from "./kubectl.ts";
import { restrictedNamespace, team } from "./manifests.ts";
import { Release } from "./release.ts";
import { tell } from "./tell.ts";
import { ClusterTwilio } from "./twilio.ts";

// Platform teams often install the kinds apart from the chart. In these tests the kinds are first missing, then older than the
// operator, then upgraded. This file runs first, because it needs a cluster without the kinds.

const CRDS = resolve(import.meta.dirname, "../../crds");
/** A status field that this test's older version of WorkStream does not have. */
const LACKING = "lastValidation";
const namespace = `${inject("runId")}-kinds`;
const users = `${inject("runId")}-kinds-team`;

let api: ClusterApi;
let twilio: ClusterTwilio;
let release: Release;

explainFailures();

beforeAll(async () => {
  tell("removing the kinds, if the cluster has them");
  await kubectl(["delete", "--ignore-not-found", "--timeout=60s", "-f", CRDS]);
  await apply(restrictedNamespace(namespace), restrictedNamespace(users));
  api = await ClusterApi.open();
  const { sid, authToken } = demoAccount;
  twilio = await ClusterTwilio.start(api, {
    accounts: [{ sid, authToken }],
    numbers: [{ sid: demoAccount.numberSid, accountSid: sid, phoneNumber: demoAccount.number }],
  });
  // The receiver of this test has no database and is never ready, so the URL check is off.
  release = new Release(namespace, twilio, {
    crds: { install: false },
    watchNamespaces: [users],
    database: { existingSecret: "none", controllerUrlKey: "" },
    migrations: { enabled: false },
    tests: { enabled: false },
    urlCheck: { mode: "off" },
  });
});

afterAll(async () => {
  await kubectl(["delete", "namespace", users, "--ignore-not-found", "--timeout=120s"]);
  await release?.remove();
  await twilio?.stop();
  await api?.close();
});

test("while the cluster lacks the kinds, the controllers are not ready and say which kinds are missing", async () => {
  await release.install();
  const missing = ["workstreams", "smsnumbers", "operatinghours"].map(
    (plural) =>
      `${plural} in namespace ${users}: cannot list: the API server does not know the kind; are the CRDs installed?`,
  );
  await saysNotReady(missing);
});

test("the operator works with kinds of an older version, and leaves out status fields that they lack", async () => {
  await apply(...kinds(LACKING));
  await release.rolledOut("controller");
  const { sid: accountSid, authToken } = demoAccount;
  await apply(...team(users, demoAccount.number.slice(1), { accountSid, authToken }));
  await ready();
  expect((await streamStatus()).conditions).toBeDefined();
  expect(await streamStatus()).not.toHaveProperty(LACKING);
  const log = await release.kubectl("logs", await release.leader());
  expect(log).toContain("the crd is older than this operator");
  // The controllers noticed the new kinds without a restart.
  expect(await restarts()).toEqual([0, 0]);
});

test("after the chart's own kinds have replaced the older kinds, the status has the field that they lacked", async () => {
  // The flags let Helm take over the kinds, whose field manager has been kubectl until now.
  await release.upgrade({ crds: { install: true } }, "--take-ownership", "--force-conflicts");
  // The operator remembers for ten minutes which fields a kind lacks. The restart stands for an upgrade of the operator, which starts
  // without this memory.
  await release.kubectl("rollout", "restart", `deployment/${release.name}-controller`);
  await release.rolledOut("controller");
  let status: Record<string, unknown> = {};
  await waitFor({
    expected: `status.${LACKING}`,
    look: async () => {
      status = await streamStatus();
      return LACKING in status ? true : undefined;
    },
    seen: () => Object.keys(status).join(", "),
    withinMs: 60_000,
    signal: AbortSignal.timeout(90_000),
  });
  await ready();
});

/** The kinds of this checkout, but WorkStream without the status field `lacking`. */
function kinds(lacking: string): object[] {
  type Properties = Record<string, unknown>;
  type Kind = {
    spec: {
      names: { kind: string };
      versions: {
        schema: { openAPIV3Schema: { properties: { status: { properties: Properties } } } };
      }[];
    };
  };
  return readdirSync(CRDS).map((name) => {
    const kind = parse(readFileSync(join(CRDS, name), "utf8")) as Kind;
    if (kind.spec.names.kind !== "WorkStream") return kind;
    for (const { schema } of kind.spec.versions) {
      const { properties } = schema.openAPIV3Schema.properties.status;
      if (!(lacking in properties))
        throw new Error(`WorkStream has no status.${lacking} that could be left out`);
      delete properties[lacking];
    }
    return kind;
  });
}

async function saysNotReady(wanted: readonly string[]): Promise<void> {
  let said = "";
  await waitFor({
    expected: wanted.join(" and "),
    look: async () => {
      said = (await Promise.all((await pods()).map(readyz))).join("\n");
      return wanted.every((text) => said.includes(text)) ? true : undefined;
    },
    seen: () => said,
    withinMs: 120_000,
    signal: AbortSignal.timeout(150_000),
  });
}

interface Pod {
  metadata: { name: string };
  status: { containerStatuses?: { restartCount: number }[] };
}

const pods = () => list<Pod>("-n", namespace, "pods", "-l", "app.kubernetes.io/component=controller");

async function readyz({ metadata }: Pod): Promise<string> {
  const { text } = await api.request(`namespaces/${namespace}/pods/${metadata.name}:9090/proxy/readyz`);
  return text;
}

async function restarts(): Promise<number[]> {
  return (await pods()).map(({ status }) => status.containerStatuses?.[0]?.restartCount ?? -1);
}

async function streamStatus(): Promise<Record<string, unknown>> {
  const [stream] = await list<{ status?: Record<string, unknown> }>("-n", users, "workstreams");
  return stream?.status ?? {};
}

async function ready(): Promise<void> {
  await kubectl([
    "-n",
    users,
    "wait",
    "--for=condition=Ready",
    "smsnumbers,workstreams",
    "--all",
    "--timeout=120s",
  ]);
}
