import { randomBytes } from "node:crypto";
import type { Route } from "../../routes/route.ts";
import { signatureKey } from "../../routes/signature-states.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { RouteRecord } from "./record.ts";

/** What a sending process gets of a route. It holds credentials; the receiver's part never does. */
export interface WorkRoute {
  namespace: string;
  namespaceUid: string;
  stream: string;
  accountSid: string;
  numbers: string[];
  credentials: Credentials;
  statusUrl: string;
  generation: number;
}

/** The receiver's part: signature states instead of tokens. */
export async function compileRoute(record: RouteRecord): Promise<Route> {
  const keys = await Promise.all(
    record.tokens.map(async ({ token, notAfterMs }) => ({
      ...(await signatureKey(token)),
      ...(notAfterMs === undefined ? {} : { notAfterMs }),
    })),
  );
  return {
    namespace: record.namespace,
    namespaceUid: record.namespaceUid,
    stream: record.stream,
    accountSid: record.accountSid,
    generation: record.generation,
    numbers: record.numbers,
    urls: record.urls.map(({ inbound, fallback, status }) => ({ inbound, fallback, status })),
    keys,
    checkKey: Buffer.from(record.checkKey, "base64"),
  };
}

export function compileWorkRoute(record: RouteRecord): WorkRoute {
  const { namespace, namespaceUid, stream, accountSid, numbers, credentials, urls, generation } = record;
  return {
    namespace,
    namespaceUid,
    stream,
    accountSid,
    numbers,
    credentials,
    statusUrl: urls[0]?.status ?? "",
    generation,
  };
}

export function newCheckKey(): string {
  return randomBytes(32).toString("base64");
}

/** Does the receiver's part differ, so that the route's generation must rise? */
export function sameForReceiver(a: RouteRecord, b: RouteRecord): boolean {
  return JSON.stringify(receiverPart(a)) === JSON.stringify(receiverPart(b));
}

function receiverPart({ tokens, urls, numbers, checkKey }: RouteRecord) {
  return [
    tokens.map(({ token, notAfterMs }) => [token, notAfterMs ?? 0]),
    urls.map(({ inbound, fallback, status }) => [inbound, fallback, status]),
    [...numbers].sort(),
    checkKey,
  ];
}
