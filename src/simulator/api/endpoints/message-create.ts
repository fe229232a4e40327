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

/** The fields that Twilio documents for a new message. The simulator ignores most of them, but must not report them as unknown. */
const known = new Set(
  `To From FallbackFrom MessagingServiceSid Body MediaUrl ContentSid ContentVariables StatusCallback ApplicationSid MaxPrice
  ProvideFeedback Attempt ValidityPeriod ForceDelivery ContentRetention AddressRetention SmartEncoded PersistentAction
  TrafficType ShortenUrls ScheduleType SendAt SendAsMms RiskCheck`.split(/\s+/),
);

/**
 * Twilio's magic test numbers as recipients. Twilio refuses each of them with a known error, but only with test credentials; the simulator
 * does so for every account.
 */
const magicTo: Record<string, TwilioErrorCode> = {
  "+15005550001": 21211,
  "+15005550002": 21612,
  "+15005550003": 21408,
  "+15005550004": 21610,
  "+15005550009": 21614,
};
/** Twilio's magic test numbers for the sender, and the error that each of them causes. */
const magicFrom: Record<string, TwilioErrorCode> = {
  "+15005550001": 21212,
  "+15005550007": 21606,
  "+15005550008": 21611,
};

/** Twilio's limits for one message. */
const MOST_MEDIA = 10;
const LONGEST_BODY = 1600;
/** Ten hours: Twilio's default, and also the longest validity period that a client may request. */
const DEFAULT_VALIDITY_S = 36_000;

/**
 * Checks a message in the same order as Twilio, so that a message with several mistakes gets the same error, and accepts it. A refused
 * message leaves no trace. There is no idempotency key: a call that is repeated sends the text twice.
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

  // An opt-out from any sender of a Messaging Service counts for all its senders, even when the call names a sender and not the service.
  const pool = service ?? (sender === undefined ? undefined : region.serviceOf(sender.sid));
  const isOptedOut = sender !== undefined && isStopped(region, { sender, service: pool, customer: to });
  const isAdvanced = sender !== undefined && keywordsFor(sender, pool)?.isAdvanced === true;
  // If the customer opted out under Advanced Opt-Out, Twilio accepts a message through the service all the same. The outbox fails it later.
  if (isOptedOut && !(isAdvanced && service !== undefined)) throw badRequest(21610);
  // Only a message with an explicit sender is checked for a full queue. A message through a service gets its sender later, and
  // fails with 30001 at that time.
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

/** Checks the recipient. Twilio does this first, before it checks the content or the sender. */
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

/** A message may have an empty body if it has media or a content template. */
function checkContent(form: URLSearchParams, body: string, mediaUrls: string[]): void {
  if (body === "" && mediaUrls.length === 0 && !form.get("ContentSid")) throw badRequest(21602);
  if (body.length > LONGEST_BODY) throw badRequest(21617);
  if (mediaUrls.length > MOST_MEDIA) throw badRequest(21623);
}

/**
 * The status callback of the message itself, or else of its TwiML application. The Messaging Service's callback is read later, when it is
 * called.
 */
function callbackOf({ form, region, account }: ApiCall, context: SimulatorContext): string {
  const own = form.get("StatusCallback") ?? "";
  if (own !== "" && !isWebhookUrl(own, context)) throw badRequest(21609);
  const sid = form.get("ApplicationSid");
  if (!sid) return own;
  const application = region.applications.of(account.sid, sid);
  if (application === undefined) throw badRequest(21420);
  return own || application.messageStatusCallback;
}

/** The number or short code that the call names as sender. Twilio refuses a number that another region handles. */
function ownSender({ region, account }: ApiCall, { state }: SimulatorContext, from: string): SimulatedSender {
  const magic = magicFrom[from];
  if (magic !== undefined) throw badRequest(magic);
  // A sender is a number in E.164 format or a short code. The simulator has no alphanumeric senders.
  if (!/^(\+[1-9][0-9]{6,14}|[0-9]{3,6})$/.test(from))
    throw badRequest(
      21212,
      `The 'From' number ${from} is not a valid phone number, shortcode, or alphanumeric sender ID.`,
    );
  // A number of another account gets the same error as a number that does not exist.
  const sender = region.sender(from);
  if (sender?.accountSid !== account.sid || !canText(sender)) throw badRequest(21606);
  if (state.regionOf(from) !== region) throw badRequest(21663);
  return sender;
}

/**
 * The sender that the service's pool will choose. It is determined when the message is checked, because the check must know whether the
 * customer opted out.
 */
function poolMember({ region }: ApiCall, service: SimulatedService, to: string): SimulatedSender {
  const address = poolSender(region, service.sid, to);
  const sender = address === undefined ? undefined : region.sender(address);
  if (sender === undefined) throw badRequest(21703);
  return sender;
}

/** How many seconds the message may wait. The value of the call wins over the value of the Messaging Service. */
function validity(form: URLSearchParams, service: SimulatedService | undefined): number {
  const text = form.get("ValidityPeriod");
  if (text === null) return service?.validityPeriod ?? DEFAULT_VALIDITY_S;
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > DEFAULT_VALIDITY_S)
    throw badRequest(20001, `ValidityPeriod must be a whole number from 1 to ${DEFAULT_VALIDITY_S}`);
  return seconds;
}

/** Twilio schedules a message only through a Messaging Service, and only for a fixed time. */
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
