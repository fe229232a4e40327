/**
 * What the operator must not forget: it lives in the `{instance}-controller-N` Secrets and is read back by the next
 * leader. Everything that can be observed again (conditions, account snapshots, self-checks) is not recorded.
 * Fields may be added; the decoder passes over those it does not know, so an older version can read a newer record,
 * though it drops what it does not know with its next write.
 */

import type { RouteUrls } from "../../routes/route.ts";
import type { Credentials } from "../../twilio/credentials.ts";

/**
 * A token that signatures are tried with. Only tokens that Twilio has accepted ever get here: a typo in a Secret
 * must not become a key that opens the receiver.
 */
export interface TokenRecord {
  token: string;
  /** Set once the token has left the Secret, or Twilio has stopped accepting it. */
  retiredAtMs?: number;
  /**
   * When a retired token stops being tried. The receiver keeps to it by itself, so that the end comes in time even
   * while no controller runs.
   */
  notAfterMs?: number;
}

/**
 * One set of URLs at which texts of a route may arrive. The first set of a route is the one that numbers are set
 * to.
 */
export interface UrlRecord extends RouteUrls {
  /** Set once another set took its place. It goes on verifying until no number points at it any more. */
  replacedAtMs?: number;
}

/**
 * A route: what the receiver knows of (namespace UID, stream, account SID). The namespace's UID and not its name: a
 * new namespace of an old name is another tenant, whose texts must not be mixed with the old one's.
 */
export interface RouteRecord {
  namespace: string;
  namespaceUid: string;
  stream: string;
  accountSid: string;
  /** As Twilio last accepted them. Finalizers use them after the user's Secret is gone. */
  credentials: Credentials;
  tokens: TokenRecord[];
  /** The last value of the annotation forget-previous-token that was acted on, shortened: see workstream/forget.ts. */
  forgotten?: string;
  /**
   * 32 random bytes in base64: the key of the self-check. Never an auth token, so that an answer to a check proves
   * nothing about tokens.
   */
  checkKey: string;
  urls: UrlRecord[];
  /** Digits, as in SmsNumber.spec.number. The receiver refuses texts to any other number. */
  numbers: string[];
  /**
   * Rises with every change of what the receiver gets. The answer to a self-check names it, which proves that the
   * receiver has this very version.
   */
  generation: number;
  /** Since when neither a stream nor a number needs it. */
  unneededSinceMs?: number;
}

/**
 * Who holds a number. Keyed by Twilio's SID of the number: the same digits can be in two accounts for a moment
 * while a number moves between them.
 */
export interface ClaimRecord {
  phoneNumberSid: string;
  accountSid: string;
  number: string;
  namespace: string;
  namespaceUid: string;
  stream: string;
  name: string;
  uid: string;
  /** What we set at Twilio; absent until the first update was answered, or found to have been done. */
  configured?: { url: string; fallbackUrl?: string; sinceMs: number };
  /** Where the webhook led before us, for the status. The whole of it is in a Secret of its own. */
  previous?: { host: string; savedAtMs: number };
  /** When somebody else's change was set back, newest last, an hour back at most. */
  repairs?: number[];
  /** A contest over the webhook that we stepped out of; see smsnumber/contest.ts. */
  contest?: { sinceMs: number; generation: number; seen: string };
}

/** A number that an SmsNumber holds or held, with all that giving it back takes. */
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
 * A number that nobody holds although what we set at Twilio may still be there. What was there before waits in a
 * Secret of the number's own for the next holder. Keyed by Twilio's SID of the number.
 */
export interface OwedRecord extends HeldNumber {
  /** Why it was not given back, as in the metric's label. */
  why: string;
  sinceMs: number;
  /** Its SmsNumber is gone as well: nobody will give it back until somebody holds it again. */
  isGone?: true;
}

/** The content of one `{instance}-controller-N` Secret. */
export interface Shard {
  routes: RouteRecord[];
  claims: ClaimRecord[];
  owed?: OwedRecord[];
}
