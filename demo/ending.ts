import { smsNumbers } from "../src/api/index.ts";
import type { KubeObject } from "../src/kube/resource.ts";
import { expectSame, waitFor } from "./expect.ts";
import type { Objects } from "./objects.ts";
import { only, type Scene } from "./scene.ts";
import type { Teller } from "./teller.ts";
import { describeWebhook, webhookOf } from "./twilio.ts";

const GONE_WITHIN_MS = 60_000;

/** Deletes the SmsNumber, and shows that its webhook at Twilio is the same as before the demo. */
export async function playEnding(
  teller: Teller,
  { stage, examples, twilioUrl, credentials, number, before }: Scene,
  objects: Objects,
  signal: AbortSignal,
): Promise<void> {
  const smsNumber = only(examples, "SmsNumber");
  const { name } = smsNumber.metadata;
  await teller.step("deleted", `kubectl delete smsnumber ${name}`, async () => {
    await stage.client.delete(smsNumbers, smsNumber.metadata, {}, signal);
    await gone(smsNumber, objects, signal);
    return { result: undefined, seen: `smsnumber.smschannel.dev "${name}" deleted` };
  });
  await teller.step("restored", "The number's webhook at Twilio is restored", async () => {
    const now = await webhookOf(twilioUrl, credentials, number, signal);
    expectSame("the number at Twilio", now, before);
    return { result: undefined, seen: `as before: ${describeWebhook(now)}` };
  });
}

/**
 * Deletes the objects that the demo applied, when the cluster itself is not deleted at the end of the demo. The operator still runs at this
 * time, because it has to give the webhooks back. SmsNumbers are deleted first, because giving back a webhook needs the number's WorkStream
 * and Secret.
 */
export async function deleteExamples(scene: Scene, objects: Objects): Promise<void> {
  const signal = AbortSignal.timeout(GONE_WITHIN_MS);
  for (const object of scene.examples.toReversed()) {
    const type = scene.kinds.of(object.kind);
    // Namespaces are not deleted: they may contain objects that the demo did not create.
    if (!type.namespaced) continue;
    await scene.stage.client.delete(type, object.metadata, {}, signal);
    if (object.kind === "SmsNumber") await gone(object, objects, signal);
  }
}

/** Waits until the object no longer exists. Its finalizer may first have to give back a webhook at Twilio. */
async function gone(object: KubeObject, objects: Objects, signal: AbortSignal): Promise<void> {
  await waitFor({
    expected: `${object.kind} ${object.metadata.name} to be gone`,
    withinMs: GONE_WITHIN_MS,
    signal,
    look: () => objects.get(object) === undefined || undefined,
    seen: () => `it is still there, with finalizers ${objects.get(object)?.metadata.finalizers?.join(", ")}`,
  });
}
