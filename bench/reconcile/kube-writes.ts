import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent, request } from "undici";
import { parse } from "yaml";
import { type SmsNumber, smsNumbers, type WorkStream, workStreams } from "../../src/api/index.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { type EventObject, events, type KubeObject, secrets } from "../../src/kube/resource.ts";

/** The writes that the API server has counted so far, by resource (`smsnumbers/status`, `secrets`, …). */
export async function kubeWrites(kubeconfig: string): Promise<Map<string, number>> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const token = config.getCurrentUser()?.token ?? "";
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const url = new URL("/metrics", config.getCurrentCluster()?.server);
  const { body } = await request(url, { dispatcher, headers: { authorization: `Bearer ${token}` } });
  const writes = new Map<string, number>();
  for (const line of (await body.text()).split("\n")) {
    const found = /^apiserver_request_total\{(.*)\} ([0-9.e+]+)$/.exec(line);
    if (found === null) continue;
    const label = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(found[1]!)?.[1] ?? "";
    if (!["POST", "PUT", "PATCH", "APPLY", "DELETE"].includes(label("verb"))) continue;
    const resource =
      label("subresource") === "" ? label("resource") : `${label("resource")}/${label("subresource")}`;
    writes.set(resource, (writes.get(resource) ?? 0) + Number(found[2]));
  }
  await dispatcher.close();
  return writes;
}

export function difference(before: Map<string, number>, after: Map<string, number>): Map<string, number> {
  return new Map(
    [...after]
      .map(([key, value]) => [key, value - (before.get(key) ?? 0)] as const)
      .filter(([, value]) => value > 0),
  );
}

/**
 * Measures how long this API server takes for `writes` writes. The writes are like the operator's: as many at once as its workers send, and
 * of the same kinds and sizes as for a stream with a number. These are three statuses of the stream, two of the number, three events, a
 * finalizer and a Secret. `name` is in the names of the objects and must differ between two measurements in one namespace.
 */
export async function secondsToWrite(
  client: KubeClient,
  namespace: string,
  name: string,
  writes: number,
): Promise<number> {
  const pairs = await Promise.all(
    Array.from({ length: 200 }, (_, at) => createPair(client, { name: `${name}-${at}`, namespace }, at)),
  );
  const began = performance.now();
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < writes; at = next++) await write(client, pairs[at % pairs.length]!, at);
  };
  await Promise.all(Array.from({ length: 100 }, worker));
  return (performance.now() - began) / 1000;
}

interface StreamAndNumber {
  stream: WorkStream;
  number: SmsNumber;
}

/** Creates a WorkStream and an SmsNumber in a namespace that the operator does not watch. */
async function createPair(
  client: KubeClient,
  metadata: { name: string; namespace: string },
  at: number,
): Promise<StreamAndNumber> {
  const apiVersion = "smschannel.dev/v1alpha1";
  const [stream, number] = await Promise.all([
    client.create(workStreams, {
      apiVersion,
      kind: "WorkStream",
      metadata,
      spec: {
        autoCloseAfterInactivity: "48h",
        sms: { twilio: { credentialsSecretRef: { name: "none" } } },
      },
    } as WorkStream),
    client.create(smsNumbers, {
      apiVersion,
      kind: "SmsNumber",
      metadata,
      spec: { workStreamRef: { name: metadata.name }, number: `1425${String(5550000 + at)}` },
    } as SmsNumber),
  ]);
  return { stream, number };
}

async function write(client: KubeClient, { stream, number }: StreamAndNumber, at: number): Promise<unknown> {
  const { name, namespace = "" } = number.metadata;
  // There are ten kinds of writes and 200 pairs of objects. Each pair is written once in 200 writes, each time with the next kind of write.
  const kind = (at + Math.floor(at / 200)) % 10;
  const metadata = { name, namespace };
  const field = { fieldManager: "probe" };
  if (kind < 3)
    return await client.applyStatus(workStreams, { metadata, status: statusLike(streamStatus, at) }, field);
  if (kind < 5)
    return await client.applyStatus(smsNumbers, { metadata, status: statusLike(numberStatus, at) }, field);
  if (kind < 8)
    return await client.create(events, eventOf(kind < 6 ? stream : number, at), {
      metadataOnly: true,
    });
  if (kind < 9) {
    const patch = { metadata: { finalizers: [`smschannel.dev/probe-${at}`] } };
    return await client.patch(smsNumbers, metadata, patch, { metadataOnly: true });
  }
  return await client.create(secrets, {
    apiVersion: "v1",
    kind: "Secret",
    type: "smschannel.dev/probe",
    metadata: { name: `${name}.${at}`, namespace },
    data: { "webhook.json": Buffer.from(JSON.stringify(WEBHOOK)).toString("base64") },
  });
}

function eventOf(
  { kind, metadata: { name, namespace = "", uid = "" } }: KubeObject,
  at: number,
): EventObject {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: `${name}.${at}`, namespace },
    eventTime: new Date().toISOString().replace(/Z$/, "000Z"),
    reportingController: "smschannel.dev/probe",
    reportingInstance: "probe",
    action: "Reconcile",
    reason: "WebhookSet",
    note: "the number's webhook leads to this cluster, as this probe says",
    type: "Normal",
    regarding: { apiVersion: "smschannel.dev/v1alpha1", kind, name, namespace, uid },
  };
}

/** A status that the operator wrote for a Ready object. It was recorded for the health checks of Argo CD. */
const recordedStatus = (kind: string): Record<string, unknown> => {
  const folder = "../../deploy/argocd/resource_customizations/smschannel.dev";
  const text = readFileSync(resolve(import.meta.dirname, folder, kind, "testdata/ready.yaml"), "utf8");
  return (parse(text) as { status: Record<string, unknown> }).status;
};
const streamStatus = recordedStatus("WorkStream");
const numberStatus = recordedStatus("SmsNumber");

/** A status that differs from write to write. A status that stays the same would not be written. */
const statusLike = (status: Record<string, unknown>, at: number) => ({
  ...status,
  observedGeneration: at,
  conditions: (status.conditions as object[]).map((each) => ({ ...each, observedGeneration: at })),
});

const WEBHOOK = {
  smsUrl: "https://demo.twilio.com/welcome/sms/reply",
  smsMethod: "POST",
  smsFallbackUrl: "",
  smsFallbackMethod: "POST",
  smsApplicationSid: "",
};
