import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { workStreams } from "../../src/api/index.ts";
import { spawnTied, stopChild } from "../../src/child.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { namespaces } from "../../src/kube/resource.ts";
import { conditionOf } from "../../src/kube/status/conditions.ts";
import { silentLog } from "../../src/log.ts";
import { loadClient } from "../kube/widgets.ts";
import { type ControlPlane, startControlPlane } from "../support/controlplane/controlplane.ts";
import { applyCrds } from "../support/crds.ts";
import { eventually } from "../support/eventually.ts";

// This test needs a control plane of its own, without our CRDs. An existing cluster may have the CRDs already, and
// the test must not remove them.
const own = process.env.TEST_USE_KUBECONFIG !== "1";
let controlPlane: ControlPlane;
let admin: KubeClient;
let controller: ChildProcess;
const lines: string[] = [];

beforeAll(async () => {
  if (!own) return;
  controlPlane = await startControlPlane({ log: silentLog });
  admin = loadClient(controlPlane.kubeconfig);
  for (const name of ["system", "team"])
    await admin.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const program = fileURLToPath(new URL("../../src/main/smschannel.ts", import.meta.url));
  controller = spawnTied(process.execPath, [program, "controller"], {
    env: {
      PATH: process.env.PATH,
      KUBECONFIG: controlPlane.kubeconfig,
      OPERATOR_NAMESPACE: "system",
      PUBLIC_URL: "https://sms.example.com",
      TWILIO_BASE_URL: "http://127.0.0.1:1",
      METRICS_PORT: "0",
    },
  });
  createInterface({ input: controller.stdout! }).on("line", (line) => lines.push(line));
});
afterAll(async () => {
  if (controller !== undefined) await stopChild(controller, "SIGTERM", 10_000);
  await admin?.close();
  await controlPlane?.stop();
});

const PLURALS = ["workstreams", "smsnumbers", "operatinghours"];
const logged = (text: string) => lines.filter((line) => line.includes(text));

test.runIf(own)(
  "a controller that starts before its CRDs are installed waits, reports that, and continues by itself",
  async () => {
    const port = await eventually("it listens", () => /"port":(\d+)/.exec(logged("started")[0] ?? "")?.[1]);
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: answer.status, text: await answer.text() };
    };
    const missing = (plural: string) =>
      `${plural}: cannot list: the API server does not know the kind; are the CRDs installed?`;

    // A kind is reported as unknown after its first list was refused. Before that it is only reported as not listed yet.
    await eventually("it is not ready because every kind is missing", async () => {
      const answer = await get("/readyz");
      return answer.status === 503 && PLURALS.every((plural) => answer.text.includes(missing(plural)))
        ? answer
        : undefined;
    });
    expect((await get("/healthz")).status).toBe(200);
    expect((await get("/metrics")).text).toContain('smschannel_watch_interrupted{kind="SmsNumber"} 1');
    // The interrupted watch of each kind is logged once and not for each try. An API server that has just started may
    // interrupt other watches as well. Log lines come through a pipe, so they may arrive after the answer of /readyz.
    const interrupted = () => logged("watch interrupted, will retry");
    const told = (kind: string) => interrupted().some((line) => line.includes(`"kind":"${kind}"`));
    await eventually("each kind is named in the log", () =>
      ["WorkStream", "SmsNumber", "OperatingHours"].every(told) ? true : undefined,
    );
    expect(interrupted().length).toBeLessThanOrEqual(2 * PLURALS.length);

    await applyCrds(controlPlane.kubeconfig);
    await admin.create(workStreams, {
      apiVersion: "smschannel.dev/v1alpha1",
      kind: "WorkStream",
      metadata: { namespace: "team", name: "support" },
      spec: {
        autoCloseAfterInactivity: "48h",
        sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
      },
    });
    await eventually(
      "the stream is reconciled",
      async () => {
        const stream = await admin.get(workStreams, { namespace: "team", name: "support" });
        return conditionOf(stream?.status, "Ready")?.reason === "SecretNotFound" ? true : undefined;
      },
      60_000,
    );
    await eventually(
      "it is ready",
      async () => ((await get("/readyz")).status === 200 ? true : undefined),
      60_000,
    );
    expect((await get("/metrics")).text).toContain('smschannel_watch_interrupted{kind="SmsNumber"} 0');
    const again = logged("watch works again").length;
    expect(again).toBeGreaterThanOrEqual(PLURALS.length);
    expect(again).toBeLessThanOrEqual(2 * PLURALS.length);
  },
  150_000,
);
