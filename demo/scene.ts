import { join, resolve } from "node:path";
import type { Clock } from "../src/clock.ts";
import { customResourceDefinitions, type KubeObject } from "../src/kube/resource.ts";
import type { Log } from "../src/log.ts";
import { NotSeen, waitFor } from "./expect.ts";
import { mayNotRead, serverVersion } from "./inbox.ts";
import { type Applied, applyManifests, inDefaultNamespace, Kinds, readManifests } from "./manifests.ts";
import {
  type DemoDatabase,
  type DemoOperator,
  type Stage,
  startCluster,
  startDatabase,
  startOperator,
  startTwilio,
} from "./stage.ts";
import type { Teller } from "./teller.ts";
import {
  credentialsOf,
  type DemoCredentials,
  type DemoWebhook,
  describeWebhook,
  seedFor,
  webhookOf,
} from "./twilio.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** Everything that runs before the first manifest of a user is applied. */
export interface Scene {
  readonly stage: Stage;
  readonly database: DemoDatabase;
  readonly operator: DemoOperator;
  readonly kinds: Kinds;
  readonly examples: KubeObject[];
  readonly twilioUrl: string;
  readonly credentials: DemoCredentials;
  /** The demo's phone number in the form that the SmsNumber uses: digits only. */
  readonly number: string;
  /** The webhook that the demo's number had at Twilio before any manifest was applied. */
  readonly before: DemoWebhook;
}

export interface SceneOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** Stops what was started, in reverse order, however the demo ends. */
  readonly stack: AsyncDisposableStack;
}

/** Starts the control plane, the database, the simulated Twilio and the operator, applies the CRDs, and shows that each of these works. */
export async function setScene(
  teller: Teller,
  { log, stack }: SceneOptions,
  signal: AbortSignal,
): Promise<Scene> {
  const crds = readManifests(join(ROOT, "crds"));
  const kinds = new Kinds(crds);
  const examples = inDefaultNamespace(kinds, readManifests(join(ROOT, "examples")));
  const credentials = credentialsOf(examples);
  const { number } = (only(examples, "SmsNumber") as KubeObject & { spec: { number: string } }).spec;

  const stage = await teller.step("kubernetes", "A Kubernetes API server, without nodes", async () => {
    const result = await startCluster(log, stack, signal);
    return { result, seen: `Kubernetes ${result.version} answers; kubeconfig: ${result.kubeconfig}` };
  });

  const database = await teller.step("database", "PostgreSQL, and a role that can only insert", async () => {
    const result = await startDatabase(stage, log, stack, signal);
    if (!(await mayNotRead(result.receiverUrl)))
      throw new NotSeen(
        "expected the database to refuse to let the receiver's role read texts, but it did not",
      );
    const version = await serverVersion(result.ownerUrl);
    return { result, seen: `PostgreSQL ${version}; the receiver's role may not read texts` };
  });

  const { twilioUrl, before } = await teller.step("twilio", "A simulated Twilio", async () => {
    const { url } = await startTwilio(seedFor(credentials, number), log, stack);
    const found = await webhookOf(url, credentials, number, signal);
    const seen = `${url} has +${number}; before: ${describeWebhook(found)}`;
    return { result: { twilioUrl: url, before: found }, seen };
  });

  await teller.step("crds", "kubectl apply -f crds/", async () => {
    const applied = await applyManifests(stage.client, kinds, crds, signal);
    for (const { line } of applied) teller.note(line);
    await Promise.all(applied.map((one) => established(stage, one, signal)));
    return { result: undefined, seen: `${applied.map(({ line }) => line).join(", ")}; established` };
  });

  const operator = await teller.step(
    "operator",
    "The controller and the receiver, as two processes",
    async () => {
      const result = await startOperator(stage, database, twilioUrl, stack, signal);
      return { result, seen: `both are ready; texts come in at ${result.publicUrl}` };
    },
  );
  return { stage, database, operator, kinds, examples, twilioUrl, credentials, number, before };
}

/** Returns the first of the objects that has this kind. The demo follows only one object of each kind. */
export function only(objects: readonly KubeObject[], kind: string): KubeObject {
  const found = objects.find((object) => object.kind === kind);
  if (found === undefined) throw new Error(`the examples contain no ${kind}`);
  return found;
}

async function established({ client }: Stage, { object }: Applied, signal: AbortSignal): Promise<void> {
  type Definition = KubeObject & {
    status?: { conditions?: { type: string; status: string; message: string }[] };
  };
  let conditions: NonNullable<Definition["status"]>["conditions"] = [];
  await waitFor({
    expected: `${object.metadata.name} to be Established`,
    withinMs: 30_000,
    signal,
    seen: () => conditions?.map(({ type, status }) => `${type}=${status}`).join(", ") || "no condition",
    async look() {
      const now = (await client.get(customResourceDefinitions, object.metadata, signal)) as
        | Definition
        | undefined;
      conditions = now?.status?.conditions;
      return conditions?.some(({ type, status }) => type === "Established" && status === "True") || undefined;
    },
  });
}
