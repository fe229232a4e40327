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

/** A text that a customer's handset sends to a number of the simulated Twilio. */
export interface InboundText {
  /** A customer's number in E.164, a short code, or an alphanumeric name. */
  from: string;
  /** A number or short code of ours. */
  to: string;
  body: string;
  media?: { contentType: string; content: string | Buffer }[];
  /** More webhook parameters, or other values for those that Twilio sends (`FromCity`, …). */
  params?: Record<string, string>;
}

export interface InboundDelivery {
  /** Null where Twilio does not even log the text. */
  messageSid: string | null;
  /**
   * delivered: a webhook answered; failed: none did; notSent: there is no webhook to call; conversation: Conversations took
   * it; dropped: its Messaging Service throws inbound texts away; unreachable: nobody owns the number, or it takes no SMS.
   */
  outcome: "delivered" | "failed" | "notSent" | "conversation" | "dropped" | "unreachable";
  /** Whose webhook it was. */
  route: "number" | "application" | "service" | "conversation" | null;
  attempts: WebhookAttempt[];
  /** SIDs of the texts that the answer's TwiML, or Twilio's own opt-out handling, sent back. */
  replies: string[];
}

interface InboundTextsOptions {
  state: SimulatorState;
  clock: Clock;
  webhooks: WebhookCaller;
  replies: Replies;
}

/** Texts that come in: what Twilio does with them until somebody's webhook has answered. */
export class InboundTexts {
  readonly #options: InboundTextsOptions;

  constructor(options: InboundTextsOptions) {
    this.#options = options;
  }

  async receive(text: InboundText): Promise<InboundDelivery> {
    const { state, clock } = this.#options;
    const region = state.regionOf(text.to);
    const sender = region.sender(text.to);
    const account = sender === undefined ? undefined : region.accounts.get(sender.accountSid);
    if (sender === undefined || account?.status !== "active" || !canText(sender)) return lost("unreachable");

    const consent = this.#applyOptOut(region, sender, text);
    const destination = destinationOf(sender, region);
    const message = destination.to === "dropped" ? undefined : this.#record(region, sender, text);
    const replies = this.#answerKeyword(region, sender, text, consent);
    if (message === undefined) return { ...lost("dropped"), replies };

    const target = "target" in destination ? destination.target : undefined;
    const extra = { ...(consent.optOutType && { OptOutType: consent.optOutType }), ...text.params };
    const called = target === undefined ? undefined : await this.#call(account, message, target, extra);
    Object.assign(message, { status: "received", dateUpdated: clock.now() });
    // Deleted or reset while its webhook was called: nobody asked for its answer any more.
    if (region.messages.get(message.sid) === message)
      replies.push(...this.#finish({ region, sender, message, destination }, called));
    return {
      messageSid: message.sid,
      outcome: outcomeOf(destination, called),
      route: destination.to === "nowhere" || destination.to === "dropped" ? null : destination.to,
      attempts: called?.attempts ?? [],
      replies,
    };
  }

  /** Logs the delivery and sends what the answer asks for. */
  #finish({ region, sender, message, destination }: LoggedText, called: Called | undefined): string[] {
    if (called === undefined) return [];
    const { state, replies } = this.#options;
    const kind = destination.to === "conversation" ? "conversation" : "inbound";
    const { attempts } = called;
    state.recordDelivery({
      kind,
      messageSid: message.sid,
      attempts,
      delivered: called.replies !== undefined,
    });
    return (called.replies ?? []).flatMap((reply) => replies.sendReply(region, sender, message.from, reply));
  }

  #answerKeyword(region: Region, sender: SimulatedSender, text: InboundText, { reply }: OptOutStep) {
    return reply ? [this.#options.replies.sendOwn(region, sender, text.from, reply)] : [];
  }

  /** The webhook, then once the fallback with what went wrong; there is no third chance. */
  async #call(
    account: SimulatedAccount,
    message: Message,
    target: WebhookTarget,
    extra: Record<string, string>,
  ): Promise<Called> {
    const params = inboundParams(message, extra);
    const authToken = () => account.authToken;
    message.dateSent = this.#options.clock.now();
    const first = await this.#try({ url: target.url, method: target.method, params, authToken });
    const last = first.attempts.at(-1)!;
    if (first.replies !== undefined || target.fallbackUrl === "") return first;
    const why = { ErrorCode: String(last.errorCode ?? 11200), ErrorUrl: target.url.replace(/#.*$/s, "") };
    const fallback = { url: target.fallbackUrl, method: target.fallbackMethod, authToken };
    const second = await this.#try({ ...fallback, params: withExtra(params, why) });
    return { attempts: [...first.attempts, ...second.attempts], replies: second.replies };
  }

  /** An answer whose TwiML does not parse is a failure like any other, but is not asked for again. */
  async #try(webhook: WebhookCall): Promise<Called> {
    const { attempts, answer } = await this.#options.webhooks.call(webhook);
    if (answer === undefined) return { attempts, replies: undefined };
    try {
      return { attempts, replies: repliesIn(answer.contentType, answer.body) };
    } catch (error) {
      if (!(error instanceof TwimlError)) throw error;
      Object.assign(attempts.at(-1)!, { error: error.message, errorCode: error.code });
      return { attempts, replies: undefined };
    }
  }

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

  #applyOptOut(region: Region, sender: SimulatedSender, text: InboundText): OptOutStep {
    const service = region.serviceOf(sender.sid);
    const pair = { sender, service, customer: text.from };
    const step = optOutStep(text.body, isStopped(region, pair), keywordsFor(sender, service));
    if (step.stopped !== undefined) setStopped(region, pair, step.stopped);
    return step;
  }
}

/** An inbound text that is in the log, and where it goes. */
interface LoggedText {
  region: Region;
  sender: SimulatedSender;
  message: Message;
  destination: Destination;
}

/** What came of a webhook: its attempts, and the answer's replies when there was a good one. */
interface Called {
  attempts: WebhookAttempt[];
  replies: TwimlReply[] | undefined;
}

function outcomeOf(destination: Destination, called: Called | undefined): InboundDelivery["outcome"] {
  if (destination.to === "conversation") return "conversation";
  if (called === undefined) return "notSent";
  return called.replies === undefined ? "failed" : "delivered";
}

const lost = (outcome: "dropped" | "unreachable"): InboundDelivery => ({
  messageSid: null,
  outcome,
  route: null,
  attempts: [],
  replies: [],
});
