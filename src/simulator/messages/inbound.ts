import type { Clock } from "../../clock.ts";
import type { Region } from "../state/region.ts";
import type { Media, Message, SimulatedAccount, SimulatedSender } from "../state/resources.ts";
import { canText } from "../state/sender.ts";
import { randomSid } from "../state/sids.ts";
import type { SimulatorState } from "../state/state.ts";
import { inboundParams, withExtra } from "../webhooks/params.ts";
import type { WebhookAttempt, WebhookCall, WebhookCaller } from "../webhooks/webhook-caller.ts";
import { type Destination, destinationOf, type WebhookTarget } from "./destination.ts";
import { isStopped, keywordsFor, type OptOutStep, optOutStep, setStopped } from "./opt-out.ts";
import type { Replies } from "./replies.ts";
import { segmentsOf } from "./segments.ts";
import { repliesIn, TwimlError, type TwimlReply } from "./twiml.ts";

/** A text that a customer sends to a number of the simulated Twilio. */
export interface InboundText {
  /** A customer's number in E.164 format, a short code, or an alphanumeric sender name. */
  from: string;
  /** A number or short code of the simulated Twilio. */
  to: string;
  body: string;
  media?: { contentType: string; content: string | Buffer }[];
  /** Additional webhook parameters, or other values for the usual parameters (`FromCity`, …). */
  params?: Record<string, string>;
}

/** What happened to an inbound text. */
export interface InboundDelivery {
  /** The message's SID. Null: Twilio does not even log the text. */
  messageSid: string | null;
  /**
   * delivered: a webhook answered. failed: no webhook answered. notSent: there is no webhook to call. conversation: Twilio Conversations
   * took the text. dropped: the Messaging Service has no webhook and drops inbound texts. unreachable: nobody owns the number, its account
   * is not active, or it takes no SMS.
   */
  outcome: "delivered" | "failed" | "notSent" | "conversation" | "dropped" | "unreachable";
  /** Where the called webhook is configured. Null: no webhook was called. */
  route: "number" | "application" | "service" | "conversation" | null;
  attempts: WebhookAttempt[];
  /** SIDs of the texts that went back to the customer: Twilio's own answer to a keyword, and the texts that the webhook asked for. */
  replies: string[];
}

interface InboundTextsOptions {
  state: SimulatorState;
  clock: Clock;
  webhooks: WebhookCaller;
  replies: Replies;
}

/** Receives texts as Twilio does: handles opt-out keywords, logs the text, calls the webhook and its fallback, and sends the replies. */
export class InboundTexts {
  readonly #options: InboundTextsOptions;

  constructor(options: InboundTextsOptions) {
    this.#options = options;
  }

  /**
   * Receives a text. Resolves when a webhook has answered, or when it is clear that no webhook will answer. Never rejects because of a
   * webhook.
   */
  async receive(text: InboundText): Promise<InboundDelivery> {
    const { state, clock } = this.#options;
    const region = state.regionOf(text.to);
    const sender = region.sender(text.to);
    const account = sender === undefined ? undefined : region.accounts.get(sender.accountSid);
    if (sender === undefined || account === undefined || !canText(sender)) return lost("unreachable");
    if (!region.isActive(account)) return lost("unreachable");

    // Twilio acts on a keyword even where the text itself reaches no webhook.
    const consent = this.#applyOptOut(region, sender, text);
    const destination = destinationOf(sender, region);
    const message = destination.to === "dropped" ? undefined : this.#record(region, sender, text);
    const replies = this.#answerKeyword(region, sender, text, consent);
    if (message === undefined) return { ...lost("dropped"), replies };

    const target = "target" in destination ? destination.target : undefined;
    const extra = { ...(consent.optOutType && { OptOutType: consent.optOutType }), ...text.params };
    const response = target === undefined ? undefined : await this.#call(account, message, target, extra);
    Object.assign(message, { status: "received", dateUpdated: clock.now() });
    // If the text was deleted or the simulator was reset while the webhook ran, the webhook's answer must not change the new state.
    if (region.messages.get(message.sid) === message)
      replies.push(...this.#finish({ region, sender, message, destination }, response));
    return {
      messageSid: message.sid,
      outcome: outcomeOf(destination, response),
      route: destination.to === "nowhere" || destination.to === "dropped" ? null : destination.to,
      attempts: response?.attempts ?? [],
      replies,
    };
  }

  /** Records the delivery and sends the replies that the webhook's answer asks for. Returns the SIDs of these replies. */
  #finish(
    { region, sender, message, destination }: LoggedText,
    response: WebhookResponse | undefined,
  ): string[] {
    if (response === undefined) return [];
    const { state, replies } = this.#options;
    const kind = destination.to === "conversation" ? "conversation" : "inbound";
    const { attempts } = response;
    state.recordDelivery({
      kind,
      messageSid: message.sid,
      attempts,
      delivered: response.replies !== undefined,
    });
    return (response.replies ?? []).flatMap((reply) =>
      replies.sendReply(region, sender, message.from, reply),
    );
  }

  #answerKeyword(region: Region, sender: SimulatedSender, text: InboundText, { reply }: OptOutStep) {
    return reply ? [this.#options.replies.sendOwn(region, sender, text.from, reply)] : [];
  }

  /** Calls the webhook. If the webhook fails, calls the fallback once and tells it what went wrong. Twilio never tries a third URL. */
  async #call(
    account: SimulatedAccount,
    message: Message,
    target: WebhookTarget,
    extra: Record<string, string>,
  ): Promise<WebhookResponse> {
    const params = inboundParams(message, extra);
    // The token is read each time a request is signed, because another token may be promoted while Twilio retries.
    const authToken = () => account.authToken;
    message.dateSent = this.#options.clock.now();
    const first = await this.#try({ url: target.url, method: target.method, params, authToken });
    const last = first.attempts.at(-1)!;
    if (first.replies !== undefined || target.fallbackUrl === "" || first.isStopped) return first;
    // The parameters that tell the fallback why the webhook failed. ErrorUrl is the webhook's URL as it was called, without the fragment.
    const why = { ErrorCode: String(last.errorCode ?? 11200), ErrorUrl: target.url.replace(/#.*$/s, "") };
    const fallback = { url: target.fallbackUrl, method: target.fallbackMethod, authToken };
    const second = await this.#try({ ...fallback, params: withExtra(params, why) });
    return { ...second, attempts: [...first.attempts, ...second.attempts] };
  }

  /**
   * Calls one URL. An answer that Twilio cannot use is a failure, but Twilio does not try the same URL again: it only tries the fallback.
   */
  async #try(webhook: WebhookCall): Promise<WebhookResponse> {
    const { attempts, answer, isStopped } = await this.#options.webhooks.call(webhook);
    if (answer === undefined) return { attempts, isStopped, replies: undefined };
    try {
      return { attempts, isStopped, replies: repliesIn(answer.contentType, answer.body) };
    } catch (error) {
      if (!(error instanceof TwimlError)) throw error;
      Object.assign(attempts.at(-1)!, { error: error.message, errorCode: error.code });
      return { attempts, isStopped, replies: undefined };
    }
  }

  /** Adds the text to the message log. Twilio uses the prefix MM for texts with media and SM for all others. */
  #record(region: Region, sender: SimulatedSender, text: InboundText): Message {
    const now = this.#options.clock.now();
    const media = (text.media ?? []).map(({ contentType, content }): Media => {
      return { sid: randomSid("ME"), contentType, content: Buffer.from(content), dateCreated: now };
    });
    return region.messages.add({
      sid: randomSid(media.length > 0 ? "MM" : "SM"),
      accountSid: sender.accountSid,
      messagingServiceSid: region.serviceOf(sender.sid)?.sid ?? null,
      from: text.from,
      to: text.to,
      body: text.body,
      direction: "inbound",
      status: "receiving",
      numSegments: segmentsOf(text.body),
      media,
      errorCode: null,
      errorMessage: null,
      statusCallback: "",
      dateCreated: now,
      dateSent: null,
      dateUpdated: now,
    });
  }

  /** Decides what a keyword in the text does to the customer's consent, and changes the consent accordingly. */
  #applyOptOut(region: Region, sender: SimulatedSender, text: InboundText): OptOutStep {
    const service = region.serviceOf(sender.sid);
    const pair = { sender, service, customer: text.from };
    const step = optOutStep(text.body, isStopped(region, pair), keywordsFor(sender, service));
    if (step.stopped !== undefined) setStopped(region, pair, step.stopped);
    return step;
  }
}

/** A text in the message log, and where it goes. */
interface LoggedText {
  region: Region;
  sender: SimulatedSender;
  message: Message;
  destination: Destination;
}

/** What a webhook answered after all attempts. */
interface WebhookResponse {
  attempts: WebhookAttempt[];
  /** Whether the simulator was reset or closed during the call. The fallback must then not be called. */
  isStopped: boolean;
  /** The replies that the answer asks for. Undefined: no attempt got a usable answer. */
  replies: TwimlReply[] | undefined;
}

/** The outcome of a logged text. */
function outcomeOf(
  destination: Destination,
  response: WebhookResponse | undefined,
): InboundDelivery["outcome"] {
  // Conversations keeps the text whether or not its webhook answers.
  if (destination.to === "conversation") return "conversation";
  if (response === undefined) return "notSent";
  return response.replies === undefined ? "failed" : "delivered";
}

/** The result for a text that Twilio does not add to its message log. */
const lost = (outcome: "dropped" | "unreachable"): InboundDelivery => ({
  messageSid: null,
  outcome,
  route: null,
  attempts: [],
  replies: [],
});
