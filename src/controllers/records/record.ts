/**
 * The records: what the operator must not forget. They are in the `{instance}-controller-N` Secrets, and the next
 * leader reads them back. What can be observed again (conditions, account snapshots, self-checks) is not recorded.
 *
 * Fields may be added. The decoder ignores fields that it does not know, so an older version can read a newer record,
 * but drops those fields with its next write.
 */

import type { RouteUrls } from "../../routes/route.ts";
import type { Credentials } from "../../twilio/credentials.ts";

/**
 * A token that the receiver verifies signatures with. Only tokens that Twilio has accepted are recorded: a typo in a
 * Secret must not become a key that opens the receiver.
 */
export interface TokenRecord {
  token: string;
  /** When the token left the Secret, or Twilio stopped accepting it. Absent until then. */
  retiredAtMs?: number;
  /**
   * When a retired token stops verifying signatures. The receiver enforces this time by itself, so that the token
   * ends in time even while no controller runs.
   */
  notAfterMs?: number;
}

/**
 * A pair of URLs (inbound and fallback) at which texts of a route may arrive. The webhooks of numbers are set to the
 * first pair of a route.
 */
export interface UrlRecord extends RouteUrls {
  /**
   * When this pair went out of use: another pair has taken its place, and no number points at this one any more. Texts
   * that arrive here are still accepted for an hour after that. Absent while the pair is in use.
   */
  replacedAtMs?: number;
}

/**
 * A route: what the receiver knows of (namespace UID, stream, account SID). A route is identified by the UID of the
 * namespace and not by its name. A new namespace of an old name is another tenant, whose texts must not be mixed with
 * those of the old one.
 */
export interface RouteRecord {
  namespace: string;
  namespaceUid: string;
  stream: string;
  accountSid: string;
  /** The credentials that Twilio last accepted. Finalizers use them after the user has deleted the Secret. */
  credentials: Credentials;
  tokens: TokenRecord[];
  /**
   * A shortened form of the last value of the annotation forget-previous-token that the operator acted on: see
   * workstream/forget.ts.
   */
  forgotten?: string;
  /**
   * The key of the self-check: 32 random bytes in base64. It is never an auth token, so that an answer to a check
   * proves nothing about tokens.
   */
  checkKey: string;
  urls: UrlRecord[];
  /**
   * The numbers of the route, as digits like in SmsNumber.spec.number. The receiver refuses texts to any other
   * number.
   */
  numbers: string[];
  /**
   * A number that rises with every change of the part that the receiver gets. The answer to a self-check contains it,
   * which proves that the receiver has this very version.
   */
  generation: number;
  /** The time since which neither a stream nor a number has needed the route. Absent while one needs it. */
  unneededSinceMs?: number;
}

/**
 * A claim: which SmsNumber holds a number. It is keyed by Twilio's SID of the number, because the same digits can be
 * in two accounts for a moment while a number moves between them.
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
  /**
   * The webhook that we set at Twilio. It is absent until Twilio answered the first update, or until the operator
   * found that the update had been done.
   */
  configured?: { url: string; fallbackUrl?: string; sinceMs: number };
  /**
   * The host to which the webhook led before we set ours. The status names this host. The whole former webhook is in a
   * Secret of its own.
   */
  previous?: { host: string; savedAtMs: number };
  /**
   * The times at which a change of the webhook by somebody else was set back, newest last. Times of more than an hour
   * ago are dropped.
   */
  repairs?: number[];
  /** A contest over the webhook in which the operator stopped setting the webhook back: see smsnumber/contest.ts. */
  contest?: { sinceMs: number; generation: number; seen: string };
}

/** A number that an SmsNumber holds or held, with everything that is needed to give it back. */
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
 * A number that nobody holds although the webhook that we set may still be at Twilio. The number's former webhook is
 * kept for the next holder, in a Secret of the number's own. The record is keyed by Twilio's SID of the number.
 */
export interface OwedRecord extends HeldNumber {
  /**
   * Why the number was not given back: a value of the label `reason` of the metric smschannel_finalizer_gave_up_total.
   */
  why: string;
  sinceMs: number;
  /**
   * Set once the SmsNumber that held this number is gone as well. From then on nobody gives the number back until
   * another SmsNumber holds it.
   */
  isGone?: true;
}

/** The content of one `{instance}-controller-N` Secret. */
export interface Shard {
  routes: RouteRecord[];
  claims: ClaimRecord[];
  owed?: OwedRecord[];
}
