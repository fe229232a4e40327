import { KubeConfig } from "@kubernetes/client-node";
import { Agent, request } from "undici";
import { type SmsNumber, smsNumbers } from "../../src/api/index.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { type EventObject, events } from "../../src/kube/resource.ts";

/** Writes that the API server has counted, by resource (`smsnumbers/status`, `secrets`, …). */
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
 * How long this API server takes for so many writes of this client, as many at once as the operator's workers would send, and
 * of the kinds and sizes that the operator writes: of ten, five statuses of four conditions, three events, two finalizers.
 * `name` tells one probe of a namespace from another.
 */
export async function secondsToWrite(
  client: KubeClient,
  namespace: string,
  name: string,
  writes: number,
): Promise<number> {
  const objects = await Promise.all(
    Array.from({ length: 200 }, (_, at) =>
      client.create(smsNumbers, {
        apiVersion: "smschannel.dev/v1alpha1",
        kind: "SmsNumber",
        metadata: { name: `${name}-${at}`, namespace },
        spec: { workStreamRef: { name: "none" }, number: `1425${String(5550000 + at)}` },
      } satisfies SmsNumber),
    ),
  );
  const began = performance.now();
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < writes; at = next++) await write(client, objects[at % objects.length]!, at);
  };
  await Promise.all(Array.from({ length: 100 }, worker));
  return (performance.now() - began) / 1000;
}

async function write(client: KubeClient, object: SmsNumber, at: number): Promise<unknown> {
  const { name, namespace = "" } = object.metadata;
  const kind = at % 10;
  if (kind < 5) {
    const status = statusOf(at);
    return await client.applyStatus(
      smsNumbers,
      { metadata: { name, namespace }, status },
      { fieldManager: "probe" },
    );
  }
  if (kind < 8) return await client.create(events, eventOf(object, at));
  const finalizers = at % 2 === 0 ? ["smschannel.dev/probe"] : [];
  return await client.patch(smsNumbers, { name, namespace }, { metadata: { finalizers } });
}

function eventOf({ metadata: { name, namespace = "", uid = "" } }: SmsNumber, at: number): EventObject {
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
    regarding: { apiVersion: "smschannel.dev/v1alpha1", kind: "SmsNumber", name, namespace, uid },
  };
}

function statusOf(at: number) {
  const conditions = ["Accepted", "NumberFound", "InboundUrlReady", "Ready"].map((type) => ({
    type,
    status: "True",
    reason: "UrlAnswers",
    message: "texts to this number reach the receiver, as this probe says",
    lastTransitionTime: "2026-01-01T00:00:00Z",
    observedGeneration: at,
  }));
  return {
    observedGeneration: at,
    managedBy: "probe/probe",
    phoneNumberSid: "PN00000000000000000000000000000001",
    capabilities: { sms: true, mms: true, voice: true },
    configuredUrl: "https://sms.example.com/inbound/namespace/stream",
    conditions,
  };
}
