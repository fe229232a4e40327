/** What tells routes apart. The UID and not the name of the namespace: a re-created namespace must not get the old one's texts. */
export interface RouteKey {
  namespaceUid: string;
  stream: string;
  accountSid: string;
}

/** The key as one string, for maps. No part can hold a slash, so that two routes never share a key. */
export function routeKey({ namespaceUid, stream, accountSid }: RouteKey): string {
  return `${namespaceUid}/${stream}/${accountSid}`;
}

/**
 * Verifies the signatures made with one auth token, but cannot be used to log in to Twilio. HMAC-SHA1 hashes the key into the
 * first block of each of its two passes; we keep only the states after those blocks. To get the token back from them one would
 * have to invert SHA-1's compression function. So a receiver that was broken into gives away no token.
 */
export interface SignatureKey {
  /** SHA-1 states, 20 bytes each, after the blocks with HMAC's inner and outer pad. */
  inner: Uint8Array;
  outer: Uint8Array;
  /** Names the token in `route_activity` and in logs. Made from the states, so it reveals no more than they do. */
  fingerprint: string;
  /** Milliseconds since the epoch after which the token is no longer accepted; absent for a token without an end. */
  notAfterMs?: number;
}

/** The URLs of one route under one PUBLIC_URL, complete and without a fragment, as Twilio signs them. */
export interface RouteUrls {
  inbound: string;
  fallback: string;
  status: string;
}

/** All that a receiver knows of a stream. Holds no credential. */
export interface Route extends RouteKey {
  namespace: string;
  /** Rises with each change below. A self-check's answer names it, so that the controller knows which version a receiver has. */
  generation: number;
  /** Digits, as in SmsNumber.spec.number. Several while a stream's number changes. Empty: every text is stored as unrouted. */
  numbers: string[];
  /** Every set of URLs that a number at Twilio may still have. The first is the current one. */
  urls: RouteUrls[];
  keys: SignatureKey[];
  /** The key of this route's self-checks: 32 random bytes, not derived from a token. */
  checkKey: Uint8Array;
}
