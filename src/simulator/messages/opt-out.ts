import type { Region } from "../state/region.ts";
import type { AdvancedOptOut, SimulatedSender, SimulatedService } from "../state/resources.ts";

/** Twilio's opt-out keywords and its answers for long codes. */
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

/** On toll-free numbers the carriers handle opt-outs. They use other keywords, do not answer HELP, and do not take YES as an opt-in. */
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

type OptOutType = "STOP" | "START" | "HELP";

/** What Twilio does with a customer's text by itself, before it calls any webhook. */
export interface OptOutStep {
  /** Whether the customer is opted out afterwards. Undefined: the consent does not change. */
  stopped?: boolean;
  /** Twilio's own answer to the customer. */
  reply?: string;
  /** The webhook's parameter OptOutType. Twilio sends it only with Advanced Opt-Out. */
  optOutType?: OptOutType;
}

/** The opt-out keywords of this sender. Undefined: a short code without Advanced Opt-Out, for which Twilio handles no opt-outs. */
export function keywordsFor(
  sender: SimulatedSender,
  service: SimulatedService | undefined,
): { words: AdvancedOptOut; isAdvanced: boolean } | undefined {
  if (service?.advancedOptOut !== undefined) return { words: service.advancedOptOut, isAdvanced: true };
  if ("shortCode" in sender) return undefined;
  return { words: sender.type === "tollfree" ? tollFree : standard, isAdvanced: false };
}

/**
 * Decides what a text does to the customer's consent; pure. A keyword must be the whole text, in upper or lower case. Without Advanced
 * Opt-Out, START and STOP are answered only when they change something, so that "yes" from a customer who never opted out is an ordinary
 * text. With Advanced Opt-Out every keyword is answered.
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
  return { stopped: type === "stop", reply, ...named };
}

/** A customer, and the sender or Messaging Service whose texts the customer may stop. */
export interface OptOutPair {
  sender: { sid: string };
  /** The Messaging Service that the sender belongs to. If there is one, the customer's opt-out counts for all of its senders. */
  service: { sid: string } | undefined;
  customer: string;
}

/** The key of an opt-out in `Region.optedOut`. */
const keyOf = ({ sender, service, customer }: OptOutPair) => `${service?.sid ?? sender.sid} ${customer}`;

export const isStopped = (region: Region, pair: OptOutPair): boolean => region.optedOut.has(keyOf(pair));

export function setStopped(region: Region, pair: OptOutPair, stopped: boolean): void {
  if (stopped) region.optedOut.add(keyOf(pair));
  else region.optedOut.delete(keyOf(pair));
}
