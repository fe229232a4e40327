import { poolSender } from "../../messages/choose-sender.ts";
import { isStopped, keywordsFor } from "../../messages/opt-out.ts";
import type { OutgoingText } from "../../messages/outbox.ts";
import { emptyMedia } from "../../messages/replies.ts";
import type { Message, SimulatedSender, SimulatedService } from "../../state/resources.ts";
import { canText, senderAddress } from "../../state/sender.ts";
import { isWebhookUrl } from "../../webhooks/webhook-url.ts";
import { badRequest, type TwilioErrorCode } from "../errors.ts";
import { noteUnknown } from "../form.ts";
import type { ApiCall, SimulatorContext } from "../operation.ts";

/** The fields that Twilio documents. Most of them make no difference here, but must not be reported as unknown. */
const known = new Set(
  `To From FallbackFrom MessagingServiceSid Body MediaUrl ContentSid ContentVariables StatusCallback ApplicationSid MaxPrice
  ProvideFeedback Attempt ValidityPeriod ForceDelivery ContentRetention AddressRetention SmartEncoded PersistentAction
  TrafficType ShortenUrls ScheduleType SendAt SendAsMms RiskCheck`.split(/\s+/),
);

/** With test credentials Twilio refuses these numbers in a known way. Here they work for every account. */
const magicTo: Record<string, TwilioErrorCode> = {
  "+15005550001": 21211,
  "+15005550002": 21612,
  "+15005550003": 21408,
  "+15005550004": 21610,
  "+15005550009": 21614,
};
const magicFrom: Record<string, TwilioErrorCode> = {
  "+15005550001": 21212,
  "+15005550007": 21606,
  "+15005550008": 21611,
};

/** Twilio's limits for one text. */
const MOST_MEDIA = 10;
const LONGEST_BODY = 1600;
/** Ten hours, which is also the longest that may be asked for. */
const DEFAULT_VALIDITY_S = 36_000;

/**
 * Checks a text in the same order as Twilio, so that a text with several mistakes gets the same error, and accepts it. A
 * refused text leaves no trace. There is no idempotency key: a call that is repeated sends the text twice.
 */
export function createMessage(call: ApiCall, context: SimulatorContext): Message {
  const { form, region, account } = call;
  noteUnknown(call, (name) => known.has(name));
  const to = checkedTo(form.get("To"));
  const service = serviceOf(call);
  const from = form.get("From") || null;
  if (from === null && service === undefined) throw badRequest(21603);
  const body = form.get("Body") ?? "";
  const mediaUrls = form.getAll("MediaUrl");
  checkContent(form, body, mediaUrls);
  const statusCallback = callbackOf(call, context);
  const sender = from === null ? poolMember(call, service!, to) : ownSender(call, context, from);
  if (sender !== undefined && senderAddress(sender) === to) throw badRequest(21266);

  // An opt-out from any sender of a service counts for all of them, even when the text does not name the service.
  const pool = service ?? (sender === undefined ? undefined : region.serviceOf(sender.sid));
  const isOptedOut = sender !== undefined && isStopped(region, { sender, service: pool, customer: to });
  const isAdvanced = sender !== undefined && keywordsFor(sender, pool)?.isAdvanced === true;
  // With Advanced Opt-Out a text through the service is accepted and fails later, in the outbox.
  if (isOptedOut && !(isAdvanced && service !== undefined)) throw badRequest(21610);
  // A text through a service is not checked here: it has no sender yet, and fails with 30001 when it gets one.
  if (
    from !== null &&
    service === undefined &&
    context.outbox.queueMs(region, from) > context.state.timing.longestQueueMs
  )
    throw badRequest(21611);
  return context.outbox.accept(region, {
    accountSid: account.sid,
    from,
    messagingServiceSid: service?.sid ?? null,
    to,
    body,
    media: mediaUrls.map(() => emptyMedia(context.clock.now())),
    direction: "outbound-api",
    statusCallback,
    validityMs: validity(form, service) * 1000,
    ...scheduled(form, service, context),
    isOptedOut,
  });
}

function checkedTo(to: string | null): string {
  if (!to) throw badRequest(21604);
  const magic = magicTo[to];
  if (magic === 21614) throw badRequest(21614, `To number: ${to}, is not a mobile number`);
  if (!/^\+[1-9][0-9]{6,14}$/.test(to) || magic === 21211)
    throw badRequest(21211, `The 'To' number ${to} is not a valid phone number.`);
  if (magic !== undefined) throw badRequest(magic);
  return to;
}

function serviceOf(call: ApiCall): SimulatedService | undefined {
  const sid = call.form.get("MessagingServiceSid");
  if (!sid) return undefined;
  const service = call.region.services.of(call.account.sid, sid);
  if (service === undefined) throw badRequest(21701);
  return service;
}

/** A text may be without a body if it has media or a content template. */
function checkContent(form: URLSearchParams, body: string, mediaUrls: string[]): void {
  if (body === "" && mediaUrls.length === 0 && !form.get("ContentSid")) throw badRequest(21602);
  if (body.length > LONGEST_BODY) throw badRequest(21617);
  if (mediaUrls.length > MOST_MEDIA) throw badRequest(21623);
}

/** The text's own callback, else its application's. The Messaging Service's is looked up only when the callback is sent. */
function callbackOf({ form, region, account }: ApiCall, context: SimulatorContext): string {
  const own = form.get("StatusCallback") ?? "";
  if (own !== "" && !isWebhookUrl(own, context)) throw badRequest(21609);
  const sid = form.get("ApplicationSid");
  if (!sid) return own;
  const application = region.applications.of(account.sid, sid);
  if (application === undefined) throw badRequest(21420);
  return own || application.messageStatusCallback;
}

function ownSender({ region, account }: ApiCall, { state }: SimulatorContext, from: string): SimulatedSender {
  const magic = magicFrom[from];
  if (magic !== undefined) throw badRequest(magic);
  if (!/^(\+[1-9][0-9]{6,14}|[0-9]{3,6})$/.test(from))
    throw badRequest(
      21212,
      `The 'From' number ${from} is not a valid phone number, shortcode, or alphanumeric sender ID.`,
    );
  // Another account's number is refused like one that does not exist.
  const sender = region.sender(from);
  if (sender?.accountSid !== account.sid || !canText(sender)) throw badRequest(21606);
  if (state.regionOf(from) !== region) throw badRequest(21663);
  return sender;
}

/** The sender that the pool will choose; needed now to check for opt-outs. */
function poolMember({ region }: ApiCall, service: SimulatedService, to: string): SimulatedSender {
  const address = poolSender(region, service.sid, to);
  const sender = address === undefined ? undefined : region.sender(address);
  if (sender === undefined) throw badRequest(21703);
  return sender;
}

function validity(form: URLSearchParams, service: SimulatedService | undefined): number {
  const text = form.get("ValidityPeriod");
  if (text === null) return service?.validityPeriod ?? DEFAULT_VALIDITY_S;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > DEFAULT_VALIDITY_S)
    throw badRequest(20001, `ValidityPeriod must be a whole number from 1 to ${DEFAULT_VALIDITY_S}`);
  return seconds;
}

/** Twilio schedules only through a Messaging Service, and only for a fixed time. */
function scheduled(
  form: URLSearchParams,
  service: SimulatedService | undefined,
  context: SimulatorContext,
): Partial<OutgoingText> {
  if (form.get("ScheduleType") === null) return {};
  const sendAt = Date.parse(form.get("SendAt") ?? "");
  if (form.get("ScheduleType") !== "fixed" || service === undefined || !(sendAt > context.clock.now()))
    throw badRequest(
      20001,
      "ScheduleType must be fixed, with a SendAt in the future and a MessagingServiceSid",
    );
  return { sendAt };
}
