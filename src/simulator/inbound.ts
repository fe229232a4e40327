import type { Clock } from "../clock.ts";
import { isStopped, keywordsFor, type OptOutStep, optOutStep, setStopped } from "./opt-out.ts";
import type { Outbox } from "./outbox.ts";
import type { Region } from "./region.ts";
import type { Account, Media, Message, PhoneNumber, ShortCode } from "./resources.ts";
import { routeOf, type Target } from "./routing.ts";
import { segmentsOf } from "./segments.ts";
import { randomSid } from "./sids.ts";
import type { SimulatorState } from "./state.ts";
import { type Reply, repliesIn, TwimlError } from "./twiml.ts";
import { inboundParams, withExtra } from "./webhook-params.ts";
import type { WebhookAttempt, WebhookCaller } from "./webhooks.ts";

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

export interface InboxOptions {
  state: SimulatorState;
  clock: Clock;
  webhooks: WebhookCaller;
  outbox: Outbox;
}

/** Error 14107: after so many answers to one pair, each within 30 s of the one before, Twilio stops answering. */
const MOST_ANSWERS = 15;
const ANSWER_GAP_MS = 30_000;

/** Texts that come in: what Twilio does with them until somebody's webhook has answered. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #answered = new Map<string, { count: number; at: number }>();

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  async receive(text: InboundText): Promise<InboundDelivery> {
    const { state } = this.#options;
    const region = state.regionOf(text.to);
    const sender = region.sender(text.to);
    const account = sender === undefined ? undefined : region.accounts.get(sender.accountSid);
    if (sender === undefined || account?.status !== "active" || !takesSms(sender)) return lost("unreachable");

    const consent = this.#applyOptOut(region, sender, text);
    const route = routeOf(sender, region);
    if (route.to === "dropped")
      return { ...lost("dropped"), replies: this.#answer(region, sender, text, consent) };
    const message = this.#record(region, sender, text);
    const replies = this.#answer(region, sender, text, consent);
    const done = (outcome: InboundDelivery["outcome"], attempts: WebhookAttempt[] = []): InboundDelivery => {
      message.status = "received";
      message.dateUpdated = this.#options.clock.now();
      return {
        messageSid: message.sid,
        outcome,
        route: route.to === "nowhere" ? null : route.to,
        attempts,
        replies,
      };
    };
    if (route.to === "nowhere") return done("notSent");
    if (route.to === "conversation" && route.target === undefined) return done("conversation");
    const called = await this.#call(account, message, route.target!, {
      ...(consent.optOutType === undefined ? {} : { OptOutType: consent.optOutType }),
      ...text.params,
    });
    state.recordDelivery({
      kind: route.to === "conversation" ? "conversation" : "inbound",
      messageSid: message.sid,
      attempts: called.attempts,
      delivered: called.replies !== undefined,
    });
    for (const reply of called.replies ?? []) replies.push(...this.#reply(region, sender, text, reply));
    if (route.to === "conversation") return done("conversation", called.attempts);
    return done(called.replies === undefined ? "failed" : "delivered", called.attempts);
  }

  /** The webhook, then once the fallback with what went wrong; there is no third chance. */
  async #call(account: Account, message: Message, target: Target, extra: Record<string, string>) {
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
  async #try(
    webhook: Parameters<WebhookCaller["call"]>[0],
  ): Promise<{ attempts: WebhookAttempt[]; replies: Reply[] | undefined }> {
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

  #record(region: Region, sender: PhoneNumber | ShortCode, text: InboundText): Message {
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

  #applyOptOut(region: Region, sender: PhoneNumber | ShortCode, text: InboundText): OptOutStep {
    const service = region.serviceOf(sender.sid);
    const wasStopped = isStopped(region, sender, service, text.from);
    const step = optOutStep(text.body, wasStopped, keywordsFor(sender, service));
    if (step.stopped !== undefined) setStopped(region, sender, service, text.from, step.stopped);
    return step;
  }

  /** Twilio's own answer to a keyword goes out even to somebody who has just stopped. */
  #answer(
    region: Region,
    sender: PhoneNumber | ShortCode,
    text: InboundText,
    { reply }: OptOutStep,
  ): string[] {
    if (!reply) return [];
    return [this.#send(region, sender, { from: text.to, to: text.from, body: reply, media: [] })];
  }

  #reply(region: Region, sender: PhoneNumber | ShortCode, text: InboundText, reply: Reply): string[] {
    const to = reply.to ?? text.from;
    if (this.#isLoop(`${text.to} ${to}`) || isStopped(region, sender, region.serviceOf(sender.sid), to))
      return [];
    return [this.#send(region, sender, { from: text.to, to, ...reply })];
  }

  #send(
    region: Region,
    sender: PhoneNumber | ShortCode,
    reply: Reply & { from: string; to: string },
  ): string {
    const now = this.#options.clock.now();
    const media = reply.media.map((): Media => {
      return {
        sid: randomSid("ME"),
        contentType: "application/octet-stream",
        content: Buffer.alloc(0),
        dateCreated: now,
      };
    });
    const { sid } = this.#options.outbox.accept(region, {
      accountSid: sender.accountSid,
      from: reply.from,
      messagingServiceSid: region.serviceOf(sender.sid)?.sid ?? null,
      to: reply.to,
      body: reply.body,
      media,
      direction: "outbound-reply",
      statusCallback: reply.statusCallback ?? "",
      validityMs: 36_000_000,
    });
    return sid;
  }

  #isLoop(pair: string): boolean {
    const now = this.#options.clock.now();
    const last = this.#answered.get(pair);
    const count = last !== undefined && now - last.at < ANSWER_GAP_MS ? last.count + 1 : 1;
    this.#answered.set(pair, { count, at: now });
    return count > MOST_ANSWERS;
  }

  clear(): void {
    this.#answered.clear();
  }
}

const takesSms = (sender: PhoneNumber | ShortCode) => !("capabilities" in sender) || sender.capabilities.sms;

const lost = (outcome: "dropped" | "unreachable"): InboundDelivery => ({
  messageSid: null,
  outcome,
  route: null,
  attempts: [],
  replies: [],
});
