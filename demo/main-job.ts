import type { KubeObject } from "../src/kube/resource.ts";
import { expectSame } from "./expect.ts";
import { countTexts, storedText } from "./inbox.ts";
import { applyManifests } from "./manifests.ts";
import type { Objects } from "./objects.ts";
import { only, type Scene } from "./scene.ts";
import type { Teller } from "./teller.ts";
import { describeWebhook, sendText, sendUnsigned, webhookOf } from "./twilio.ts";

const CUSTOMER = "+12065550142";
const TEXT = "Hello, is my order on its way? 📦";

/** Plays what a user does: applies the manifests, watches the number get its webhook, and sends a text. */
export async function playMainJob(
  teller: Teller,
  scene: Scene,
  objects: Objects,
  signal: AbortSignal,
): Promise<void> {
  const applied = await teller.step("examples", "kubectl apply -f examples/", async () => {
    const done = await applyManifests(scene.stage.client, scene.kinds, scene.examples, signal);
    for (const { line } of done) teller.note(line);
    return { result: done.map(({ object }) => object), seen: done.map(({ line }) => line).join(", ") };
  });
  const stream = only(applied, "WorkStream");
  await becomesReady("workstream", stream);
  await becomesReady("smsnumber", only(applied, "SmsNumber"));
  for (const hours of applied.filter(({ kind }) => kind === "OperatingHours"))
    await becomesReady("operatinghours", hours);
  const inboundUrl = await seeWebhook(teller, scene, objects.get(stream)?.status?.inboundUrl, signal);
  await seeText(teller, scene, stream.metadata.name, inboundUrl, signal);
  await seeForgery(teller, scene, inboundUrl, signal);

  function becomesReady(step: string, object: KubeObject): Promise<void> {
    const name = `${object.kind} ${object.metadata.name}`;
    return teller.step(step, `${name} turns Ready`, async () => {
      const { status } = await objects.ready(object, signal);
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      return { result: undefined, seen: `${name} is Ready: ${ready?.message}` };
    });
  }
}

async function seeWebhook(
  teller: Teller,
  { operator, twilioUrl, credentials, number, before, examples }: Scene,
  inboundUrl: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  return teller.step("webhook", "The number's webhook at Twilio, before and after", async () => {
    const { namespace, name } = only(examples, "WorkStream").metadata;
    const expected = `${operator.publicUrl}/inbound/${namespace}/${name}`;
    expectSame("the WorkStream's status.inboundUrl", inboundUrl, expected);
    const now = await webhookOf(twilioUrl, credentials, number, signal);
    // The fragment of the webhook's URL is not part of the address: it contains Twilio's connection overrides.
    expectSame("the number's SmsUrl at Twilio", now.smsUrl.split("#")[0], expected);
    expectSame("its SmsMethod", now.smsMethod, "POST");
    teller.note(`before: ${describeWebhook(before)}`);
    teller.note(`after:  ${describeWebhook(now)}`);
    return { result: expected, seen: `SmsUrl was ${before.smsUrl || "empty"} and is ${now.smsUrl}` };
  });
}

async function seeText(
  teller: Teller,
  { database, twilioUrl, number }: Scene,
  stream: string,
  inboundUrl: string,
  signal: AbortSignal,
): Promise<void> {
  const sid = await teller.step("text", "A customer sends a text", async () => {
    teller.note(`${CUSTOMER} → +${number}: ${TEXT}`);
    const delivery = await sendText(twilioUrl, { from: CUSTOMER, to: `+${number}`, body: TEXT }, signal);
    const { url, status } = delivery.attempts.at(-1) ?? {};
    const expected = { outcome: "delivered", url: inboundUrl, status: 200 };
    expectSame(
      "what happened to the text",
      { outcome: delivery.outcome, url: url?.split("#")[0], status },
      expected,
    );
    return {
      result: delivery.messageSid ?? "",
      seen: `${inboundUrl} answered 200 to ${delivery.messageSid}`,
    };
  });
  await teller.step("stored", "The stored row", async () => {
    const { customer, receivedAt, ...row } = (await storedText(database.ownerUrl, sid)) ?? {};
    const expected = { rows: 1, kind: "inbound", stream, ourNumber: number, text: TEXT };
    expectSame(`what the inbox holds under ${sid}`, row, expected);
    const at = receivedAt?.toISOString();
    return { result: undefined, seen: `inbox: ${at} | inbound | ${stream} | from ${customer} | ${TEXT}` };
  });
}

async function seeForgery(
  teller: Teller,
  { database, credentials, number }: Scene,
  inboundUrl: string,
  signal: AbortSignal,
): Promise<void> {
  await teller.step("forgery", "A stranger sends the same text without Twilio's signature", async () => {
    const before = await countTexts(database.ownerUrl);
    const text = { from: CUSTOMER, to: `+${number}`, body: TEXT };
    const status = await sendUnsigned(inboundUrl, credentials.accountSid, text, signal);
    const seen = { status, stored: (await countTexts(database.ownerUrl)) - before };
    expectSame("the answer, and what was stored", seen, { status: 403, stored: 0 });
    return { result: undefined, seen: "answered 403, nothing stored" };
  });
}
