import type { Message, MessageStatus } from "../state/resources.ts";

/** Webhook parameters. They are a list, because tests compare their order with recorded requests of Twilio. */
type Params = [string, string][];

/** A few prefixes of phone numbers, enough to show that the country in the parameters depends on the number. */
const countries: [prefix: string, country: string][] = [
  ["+1", "US"],
  ["+353", "IE"],
  ["+44", "GB"],
  ["+49", "DE"],
  ["+33", "FR"],
  ["+61", "AU"],
  ["+81", "JP"],
];

/**
 * The parameters about a number's place. Twilio knows the place of some numbers only, but sends all of these parameters. Unknown values are
 * empty.
 */
function geography(prefix: "From" | "To", address: string): Record<string, string> {
  const country = countries.find(([start]) => address.startsWith(start))?.[1] ?? "";
  const isUs = country === "US";
  return {
    [`${prefix}Country`]: country,
    [`${prefix}State`]: isUs ? "WA" : "",
    [`${prefix}City`]: isUs && prefix === "From" ? "SEATTLE" : "",
    [`${prefix}Zip`]: isUs && prefix === "From" ? "98101" : "",
  };
}

/** The parameters of the webhook for an inbound text, in Twilio's order. */
export function inboundParams(message: Message, extra: Record<string, string>): Params {
  const { sid, accountSid, from, to } = message;
  const geo = { ...geography("From", from), ...geography("To", to) };
  const params: Params = [
    ["ToCountry", geo.ToCountry!],
    ...message.media.map(({ contentType }, n): [string, string] => [`MediaContentType${n}`, contentType]),
    ["ToState", geo.ToState!],
    ["SmsMessageSid", sid],
    ["NumMedia", String(message.media.length)],
    ["ToCity", geo.ToCity!],
    ["FromZip", geo.FromZip!],
    ["SmsSid", sid],
    ["FromState", geo.FromState!],
    ["SmsStatus", "received"],
    ["FromCity", geo.FromCity!],
    ["Body", message.body],
    ["FromCountry", geo.FromCountry!],
    ["To", to],
    ...optional("MessagingServiceSid", message.messagingServiceSid),
    ["ToZip", geo.ToZip!],
    ["NumSegments", String(message.numSegments)],
    ["MessageSid", sid],
    ["AccountSid", accountSid],
    ["From", from],
    ...message.media.map((media, n): [string, string] => [`MediaUrl${n}`, mediaUrl(message, media.sid)]),
    ["ApiVersion", "2010-04-01"],
  ];
  return withExtra(params, extra);
}

/** The parameters of a status callback, in Twilio's order. */
export function statusParams(message: Message, status: MessageStatus, now: number): Params {
  const hasReceipt = status === "delivered" || status === "undelivered";
  return [
    ...optional("RawDlrDoneDate", hasReceipt ? receiptDate(now) : null),
    ["SmsSid", message.sid],
    ["SmsStatus", status],
    ["MessageStatus", status],
    ["To", message.to],
    ...optional("MessagingServiceSid", message.messagingServiceSid),
    ["MessageSid", message.sid],
    ["AccountSid", message.accountSid],
    ...optional("ErrorCode", message.errorCode === null ? null : String(message.errorCode)),
    ["From", message.from],
    ["ApiVersion", "2010-04-01"],
  ];
}

/** Puts `extra` into `params`: replaces the values of existing parameters, and adds others before ApiVersion, which Twilio sends last. */
export function withExtra(params: Params, extra: Record<string, string>): Params {
  const names = new Set(params.map(([name]) => name));
  const added = Object.entries(extra).filter(([name]) => !names.has(name));
  const replaced = params.map(([name, value]): [string, string] => [name, extra[name] ?? value]);
  return [...replaced.slice(0, -1), ...added, replaced.at(-1)!];
}

const optional = (name: string, value: string | null): Params => (value === null ? [] : [[name, value]]);

/** A date in the format YYMMDDhhmm, in UTC. Carriers write the time of a delivery receipt like this. */
const receiptDate = (now: number) => new Date(now).toISOString().replace(/\D/g, "").slice(2, 12);

/** The URL of a media item. It names Twilio's host, as at Twilio, so a client of the simulator must replace the host by its base URL. */
const mediaUrl = ({ accountSid, sid }: Message, mediaSid: string) =>
  `https://api.twilio.com/2010-04-01/Accounts/${accountSid}/Messages/${sid}/Media/${mediaSid}`;
