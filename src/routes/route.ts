/** What tells routes apart. A re-created namespace has another UID and sees nothing of the old one. */
export interface RouteKey {
  namespaceUid: string;
  stream: string;
  accountSid: string;
}

/** One text for the three, for maps. The parts cannot hold a slash, so that no two routes have one key. */
export function routeKey({ namespaceUid, stream, accountSid }: RouteKey): string {
  return `${namespaceUid}/${stream}/${accountSid}`;
}

/**
 * What verifies the signatures made with one auth token, and cannot log in with it: HMAC-SHA1 hashes the key into the first
 * block of each of its two passes, and only the state after that block is kept. Going back from it means breaking SHA-1's
 * compression function.
 */
export interface SignatureKey {
  /** SHA-1 states, 20 bytes each, after the HMAC's inner and outer pad. */
  inner: Uint8Array;
  outer: Uint8Array;
  /** Names the token in `route_activity` and in logs; made from the states, so it tells nothing that they do not. */
  fingerprint: string;
  /** Milliseconds since the epoch after which the token is no longer accepted; absent: no end. */
  notAfterMs?: number;
}

/** The URLs of one route under one PUBLIC_URL: full, without a fragment, as Twilio signs them. */
export interface RouteUrls {
  inbound: string;
  fallback: string;
  status: string;
}

/** All that the receiver knows of a stream. Holds no credential. */
export interface Route extends RouteKey {
  namespace: string;
  /** Rises with each change of what the receiver sees; a self-check's answer names it. */
  generation: number;
  /** Digits, as in SmsNumber.spec.number; several while a stream's number changes; empty: every text is unrouted. */
  numbers: string[];
  /** Every set of URLs that was set at Twilio and not yet seen replaced; the first is the current one. */
  urls: RouteUrls[];
  keys: SignatureKey[];
  /** 32 random bytes, of this route alone; never derived from a token. */
  checkKey: Uint8Array;
}
