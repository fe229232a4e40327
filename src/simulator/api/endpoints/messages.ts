import type { Message } from "../../state/resources.ts";
import { rfc2822 } from "../dates.ts";
import { badRequest, notFound } from "../errors.ts";
import {
  type ApiCall,
  type ApiOperation,
  created,
  noContent,
  ok,
  type SimulatorContext,
} from "../operation.ts";
import { page2010 } from "../paging.ts";
import { createMessage } from "./message-create.ts";

const permission = "/twilio/messaging/messages";
const list = "/2010-04-01/Accounts/{AccountSid}/Messages";
const instance = `${list}/{Sid}.json`;
const DAY_MS = 86_400_000;

/** Lists, creates, reads, changes and deletes messages. */
export const messageOperations: ApiOperation[] = [
  {
    name: "ListMessage",
    product: "api",
    method: "GET",
    path: `${list}.json`,
    permission: `${permission}/list`,
    handle: (call, context) => page2010(call, "messages", listed(call, context), renderMessage),
  },
  {
    name: "CreateMessage",
    product: "api",
    method: "POST",
    path: `${list}.json`,
    permission: `${permission}/create`,
    handle: (call, context) => created(renderMessage(createMessage(call, context))),
  },
  {
    name: "FetchMessage",
    product: "api",
    method: "GET",
    path: instance,
    permission: `${permission}/read`,
    handle: (call) => ok(renderMessage(findMessage(call, call.params.Sid!))),
  },
  {
    name: "UpdateMessage",
    product: "api",
    method: "POST",
    path: instance,
    permission: `${permission}/update`,
    handle: (call, context) => ok(renderMessage(update(call, context))),
  },
  {
    name: "DeleteMessage",
    product: "api",
    method: "DELETE",
    path: instance,
    permission: `${permission}/delete`,
    handle(call) {
      call.region.messages.remove(findMessage(call, call.params.Sid!).sid);
      return noContent;
    },
  },
];

/** Returns the message. Throws 404 when the calling account has no message with this SID. */
export function findMessage(call: ApiCall, sid: string): Message {
  const message = call.region.messages.of(call.account.sid, sid);
  if (message === undefined) throw notFound(call.path);
  return message;
}

/**
 * The account's messages, newest first. The list lags behind: a message can be fetched by its SID before it is listed. The filter DateSent
 * selects whole days in UTC, even when a time is given, and never finds a message that has not been sent.
 */
function listed(call: ApiCall, { state, clock }: SimulatorContext): Message[] {
  const to = call.query.get("To");
  const from = call.query.get("From");
  const on = dayOf(call, "DateSent");
  const until = dayOf(call, "DateSent<");
  const since = dayOf(call, "DateSent>");
  const visibleFrom = clock.now() - state.timing.messageListLagMs - call.extraLagMs;
  // A filter by date leaves out every message that was not sent, because it has no date.
  const byDay = on !== undefined || until !== undefined || since !== undefined;
  return (
    call.region.messages
      .ofAccount(call.account.sid)
      .filter((message) => message.dateCreated <= visibleFrom)
      .filter((message) => (to ?? message.to) === message.to && (from ?? message.from) === message.from)
      .filter(({ dateSent }) => {
        if (dateSent === null) return !byDay;
        const day = Math.floor(dateSent / DAY_MS);
        return day === (on ?? day) && day <= (until ?? day) && day >= (since ?? day);
      })
      // The sort is stable: of two messages created in the same millisecond, the newer one stays first.
      .reverse()
      .sort((a, b) => (b.dateSent ?? b.dateCreated) - (a.dateSent ?? a.dateCreated))
  );
}

/** The day in UTC that the query parameter `name` holds, as a number of days since 1970. Undefined: the call has no such filter. */
function dayOf(call: ApiCall, name: string): number | undefined {
  const text = call.query.get(name);
  if (text === null) return undefined;
  const ms = Date.parse(/^\d{4}-\d{2}-\d{2}/.test(text) ? text : "");
  if (Number.isNaN(ms)) throw badRequest(20001, `${name} is not a date: ${text}`);
  return Math.floor(ms / DAY_MS);
}

/** A message can be changed in two ways: an empty Body removes its content, and a scheduled message can be canceled. */
function update(call: ApiCall, { clock, outbox }: SimulatorContext): Message {
  const message = findMessage(call, call.params.Sid!);
  for (const [name, value] of call.form) {
    if (name === "Body" && value === "") message.body = "";
    else if (name === "Status" && value === "canceled") {
      if (!outbox.cancel(call.region, message))
        throw badRequest(20001, "Only a scheduled message can be canceled");
    } else if (name === "Body" || name === "Status") throw badRequest(20001, `Invalid parameter: ${name}`);
    else call.ignored.push(name);
  }
  message.dateUpdated = clock.now();
  return message;
}

/** A message as the 2010 API writes it. The simulator has no prices, so the price is always null. */
function renderMessage(message: Message): Record<string, unknown> {
  const { sid, accountSid } = message;
  const uri = `/2010-04-01/Accounts/${accountSid}/Messages/${sid}`;
  return {
    body: message.body,
    // The 2010 API writes the numbers of segments and media as strings.
    num_segments: String(message.numSegments),
    direction: message.direction,
    from: message.from || null,
    date_updated: rfc2822(message.dateUpdated),
    price: null,
    error_message: message.errorMessage,
    uri: `${uri}.json`,
    account_sid: accountSid,
    num_media: String(message.media.length),
    to: message.to,
    date_created: rfc2822(message.dateCreated),
    status: message.status,
    sid,
    date_sent: message.dateSent === null ? null : rfc2822(message.dateSent),
    messaging_service_sid: message.messagingServiceSid,
    error_code: message.errorCode,
    price_unit: "USD",
    api_version: "2010-04-01",
    subresource_uris: { media: `${uri}/Media.json`, feedback: `${uri}/Feedback.json` },
  };
}
