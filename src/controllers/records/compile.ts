/** Makes the part of a route that the receivers get. */

import { randomBytes } from "node:crypto";
import type { Route } from "../../routes/route.ts";
import { signatureKey } from "../../routes/signature-states.ts";
import type { RouteRecord } from "./record.ts";

/**
 * The receiver's part of a route. It holds no tokens. It holds the hash states that are made from them, which verify a
 * signature but cannot log in at Twilio (ADR 8).
 */
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

/** A new key for the self-check of one route. */
export function newCheckKey(): string {
  return randomBytes(32).toString("base64");
}

/**
 * Whether the receiver's part of two versions of a route is the same. If it differs, the generation of the route must
 * rise, or a self-check could pass on the old version.
 */
export function sameForReceiver(a: RouteRecord, b: RouteRecord): boolean {
  return JSON.stringify(receiverPart(a)) === JSON.stringify(receiverPart(b));
}

/** Everything that the receiver's answers depend on. The numbers are sorted, because their order means nothing. */
function receiverPart({ tokens, urls, numbers, checkKey }: RouteRecord) {
  return [
    tokens.map(({ token, notAfterMs }) => [token, notAfterMs ?? 0]),
    urls.map(({ inbound, fallback, status }) => [inbound, fallback, status]),
    [...numbers].sort(),
    checkKey,
  ];
}
