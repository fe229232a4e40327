import type { Region } from "../state/region.ts";
import type { AdvancedOptOut, SimulatedSender, SimulatedService } from "../state/resources.ts";

const standard: AdvancedOptOut = {
  stop: {
    keywords: ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"],
    reply:
      "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe.",
  },
  start: {
    keywords: ["START", "YES", "UNSTOP"],
    reply:
      "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
  },
  help: { keywords: ["HELP", "INFO"], reply: "Reply STOP to unsubscribe. Msg&Data Rates May Apply." },
};

/** On toll-free numbers the carriers do it: other words, no answer to HELP, and YES opts nobody in. */
const tollFree: AdvancedOptOut = {
  stop: {
    keywords: ["STOP"],
    reply:
      'NETWORK MSG: You replied with the word "stop" which blocks all texts sent from this number. Text back "unstop" to receive messages again.',
  },
  start: {
    keywords: ["START", "UNSTOP"],
    reply: 'NETWORK MSG: You have replied "unstop" and will begin receiving messages again from this number.',
  },
  help: { keywords: [], reply: "" },
};

export type OptOutType = "STOP" | "START" | "HELP";

/** What Twilio does by itself with a customer's text, before any webhook. */
export interface OptOutStep {
  /** The pair's consent afterwards; undefined: as it was. */
  stopped?: boolean;
  /** Twilio's own answer to the customer. */
  reply?: string;
  /** The webhook's parameter: sent with Advanced Opt-Out only. */
  optOutType?: OptOutType;
}

/** Which words count for this sender; undefined: a stand-alone short code, for which Twilio does nothing. */
export function keywordsFor(
  sender: SimulatedSender,
  service: SimulatedService | undefined,
): { words: AdvancedOptOut; isAdvanced: boolean } | undefined {
  if (service?.advancedOptOut !== undefined) return { words: service.advancedOptOut, isAdvanced: true };
  if ("shortCode" in sender) return undefined;
  return { words: sender.type === "tollfree" ? tollFree : standard, isAdvanced: false };
}

/**
 * Decides, pure. A keyword is the whole text, in any case. Without Advanced Opt-Out only a change of consent is answered,
 * so that "yes" from somebody who never stopped is an ordinary text; with it each keyword is.
 */
export function optOutStep(
  body: string,
  wasStopped: boolean,
  keywords: { words: AdvancedOptOut; isAdvanced: boolean } | undefined,
): OptOutStep {
  if (keywords === undefined) return {};
  const { words, isAdvanced } = keywords;
  const word = body.trim().toUpperCase();
  const type = (["stop", "start", "help"] as const).find((name) => words[name].keywords.includes(word));
  if (type === undefined) return {};
  const { reply } = words[type];
  const named = isAdvanced ? { optOutType: type.toUpperCase() as OptOutType } : {};
  if (type === "help") return { reply, ...named };
  const changes = (type === "stop") !== wasStopped;
  if (!changes && !isAdvanced) return {};
  return { stopped: type === "stop", ...(changes || isAdvanced ? { reply } : {}), ...named };
}

/** A customer stops a number, or the whole Messaging Service that it is in. */
const pair = (sender: { sid: string }, service: { sid: string } | undefined, customer: string) =>
  `${service?.sid ?? sender.sid} ${customer}`;

export function isStopped(
  region: Region,
  sender: { sid: string },
  service: { sid: string } | undefined,
  customer: string,
): boolean {
  return region.optedOut.has(pair(sender, service, customer));
}

export function setStopped(
  region: Region,
  sender: { sid: string },
  service: { sid: string } | undefined,
  customer: string,
  stopped: boolean,
): void {
  if (stopped) region.optedOut.add(pair(sender, service, customer));
  else region.optedOut.delete(pair(sender, service, customer));
}
