import type { Media, Message } from "../../state/resources.ts";
import { rfc2822 } from "../dates.ts";
import { notFound } from "../errors.ts";
import { type ApiCall, type ApiOperation, noContent, ok } from "../operation.ts";
import { page2010 } from "../paging.ts";
import { findMessage } from "./messages.ts";

const permission = "/twilio/messaging/messages.media";
const list = "/2010-04-01/Accounts/{AccountSid}/Messages/{MessageSid}/Media";

/** The path prefix of media content. Twilio serves media without credentials, from a separate storage host. */
export const mediaPath = "/_simulator/media/";

/** Lists, reads and deletes the media of a message. Media have no operation to create them: they arrive with an inbound text. */
export const mediaOperations: ApiOperation[] = [
  {
    name: "ListMedia",
    product: "api",
    method: "GET",
    path: `${list}.json`,
    permission: `${permission}/list`,
    handle(call) {
      const message = findMessage(call, call.params.MessageSid!);
      return page2010(call, "media_list", message.media, (media) => render(message, media));
    },
  },
  {
    name: "FetchMedia",
    product: "api",
    method: "GET",
    path: `${list}/{Sid}.json`,
    permission: `${permission}/read`,
    handle(call) {
      const { message, media } = find(call);
      return ok(render(message, media));
    },
  },
  {
    // The path of a media item without `.json` is the content itself. Twilio answers with a redirect to its media storage.
    name: "FetchMedia",
    product: "api",
    method: "GET",
    path: `${list}/{Sid}`,
    permission: `${permission}/read`,
    handle(call, context) {
      const { message, media } = find(call);
      return { status: 307, headers: { location: `${context.url}${mediaPath}${message.sid}/${media.sid}` } };
    },
  },
  {
    name: "DeleteMedia",
    product: "api",
    method: "DELETE",
    path: `${list}/{Sid}.json`,
    permission: `${permission}/delete`,
    handle(call) {
      const { message, media } = find(call);
      message.media = message.media.filter((other) => other !== media);
      return noContent;
    },
  },
];

/** Finds media by its SID and the SID of its own message. The media SID alone is not enough. */
function find(call: ApiCall): { message: Message; media: Media } {
  const message = findMessage(call, call.params.MessageSid!);
  const media = message.media.find(({ sid }) => sid === call.params.Sid);
  if (media === undefined) throw notFound(call.path);
  return { message, media };
}

function render({ sid: parent, accountSid }: Message, media: Media): Record<string, unknown> {
  return {
    sid: media.sid,
    account_sid: accountSid,
    parent_sid: parent,
    content_type: media.contentType,
    date_created: rfc2822(media.dateCreated),
    date_updated: rfc2822(media.dateCreated),
    uri: `/2010-04-01/Accounts/${accountSid}/Messages/${parent}/Media/${media.sid}.json`,
  };
}
