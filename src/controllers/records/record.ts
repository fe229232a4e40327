import type { RouteUrls } from "../../routes/route.ts";
import type { Credentials } from "../../twilio/credentials.ts";

/**
 * What the controller must not forget: it lives in the `{instance}-controller-N` Secrets and is read back by the next leader.
 * Everything else (conditions, account snapshots, self-checks) is observed anew after a restart.
 */

/** A token that signatures are tried with. Only tokens that Twilio has accepted ever get here. */
export interface TokenRecord {
  token: string;
  /** Set once the token has left the Secret, or Twilio stopped accepting it. */
  retiredAtMs?: number;
  /** When a retired token stops being tried; the receiver holds to it by itself. */
  notAfterMs?: number;
}

/** One set of URLs at which texts of a route may arrive. The first of a route's is what numbers are set to. */
export interface UrlRecord extends RouteUrls {
  /** Set once another set took its place; it still verifies until no number points at it any more. */
  replacedAtMs?: number;
}

/** A route: (namespace UID, stream, account SID). */
export interface RouteRecord {
  namespace: string;
  namespaceUid: string;
  stream: string;
  accountSid: string;
  /** As last accepted by Twilio; finalizers use them after the user's Secret is gone. */
  credentials: Credentials;
  tokens: TokenRecord[];
  /** Of the forget annotation's last value that was acted on: see workstream/forget.ts. */
  forgotten?: string;
  /** 32 random bytes, base64: the self-check's key, never an auth token. */
  checkKey: string;
  urls: UrlRecord[];
  /** Digits, as in SmsNumber.spec.number. */
  numbers: string[];
  /** Rises with every change of what the receiver gets; the self-check's answer names it. */
  generation: number;
  /** Since when neither a stream nor a number needs it. */
  unneededSinceMs?: number;
}

/** Who holds a number. Keyed by Twilio's SID of the number. */
export interface ClaimRecord {
  phoneNumberSid: string;
  accountSid: string;
  number: string;
  namespace: string;
  namespaceUid: string;
  stream: string;
  name: string;
  uid: string;
  /** What we set at Twilio; absent until the first update was answered, or found to be there. */
  configured?: { url: string; fallbackUrl?: string; sinceMs: number };
  /** Where the webhook led before us, for status; the whole of it is in its own Secret. */
  previous?: { host: string; savedAtMs: number };
  /** When somebody else's change was set back, newest last, an hour back at most. */
  repairs?: number[];
  /** A fight over the webhook that we stepped out of; see smsnumber/contest.ts. */
  contest?: { sinceMs: number; generation: number; seen: string };
}

/** A number that an SmsNumber holds, or held, and that is to be given back. */
export type HeldNumber = Pick<
  ClaimRecord,
  | "phoneNumberSid"
  | "accountSid"
  | "number"
  | "namespace"
  | "namespaceUid"
  | "stream"
  | "name"
  | "uid"
  | "configured"
>;

/**
 * A number that nobody holds any more although what we set at Twilio may still be there: it is owed back. What was there before
 * waits in a Secret of the number's own for whoever holds the number next. Keyed by Twilio's SID of the number.
 */
export interface OwedRecord extends HeldNumber {
  /** Why it was not given back, as in the metric's label. */
  why: string;
  sinceMs: number;
  /** Its SmsNumber is gone as well: nobody will give it back before somebody holds it again. */
  isGone?: true;
}

export interface Shard {
  routes: RouteRecord[];
  claims: ClaimRecord[];
  owed?: OwedRecord[];
}
