/**
 * The parts that tell routes apart. The namespace is given by its UID and not by its name: a namespace that was deleted and created again
 * must not get the texts of the old one.
 */
export interface RouteKey {
  namespaceUid: string;
  stream: string;
  accountSid: string;
}

/** The key as one string, for maps. No part can hold a slash, so two routes never share a key. */
export function routeKey({ namespaceUid, stream, accountSid }: RouteKey): string {
  return `${namespaceUid}/${stream}/${accountSid}`;
}

/**
 * A key that verifies the signatures made with one auth token, but cannot be used to log in to Twilio. HMAC-SHA1 hashes its key into the
 * first block of each of its two passes. We keep only the states after those two blocks. To get the token back from the states, one would
 * have to invert the compression function of SHA-1. So a receiver that was broken into gives away no token.
 */
export interface SignatureKey {
  /** The SHA-1 states, 20 bytes each, after the block with HMAC's inner pad and the block with its outer pad. */
  inner: Uint8Array;
  outer: Uint8Array;
  /** Names the token in `route_activity` and in logs. It is made from the states, so it reveals no more than they do. */
  fingerprint: string;
  /** The time after which the token is no longer accepted, in milliseconds since the epoch. Absent for a token that does not expire. */
  notAfterMs?: number;
}

/** The URLs of one route under one PUBLIC_URL, complete and without a fragment, in the form that Twilio signs. */
export interface RouteUrls {
  inbound: string;
  fallback: string;
  status: string;
}

/** Everything that a receiver knows of a stream. It holds no credential. */
export interface Route extends RouteKey {
  namespace: string;
  /**
   * Number that rises with each change of the fields below. The answer to a self-check names it, so that the controller knows which
   * version a receiver has.
   */
  generation: number;
  /**
   * The numbers of the stream, as digits like SmsNumber.spec.number. There are several while the number changes. When there is none, every
   * text is stored as unrouted.
   */
  numbers: string[];
  /** Every set of URLs that a number at Twilio may still have. The first set is the current one. */
  urls: RouteUrls[];
  keys: SignatureKey[];
  /** The key of this route's self-checks: 32 random bytes, not derived from a token. */
  checkKey: Uint8Array;
}
