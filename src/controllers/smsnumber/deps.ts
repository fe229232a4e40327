/**
 * The dependencies of the SmsNumber controller. The reconciler and the finalizer reach the outside world only
 * through these interfaces, so that tests and the command `smschannel release` can replace parts of it.
 */

import type { Clock } from "../../clock.ts";
import type { PublicUrls } from "../../routes/urls.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { ControllerMetrics } from "../metrics.ts";
import type { Records } from "../records/records.ts";
import type { Checks } from "../selfcheck/checks.ts";
import type { Streams } from "../workstream/streams.ts";
import type { NewNumbers } from "./previous/new-numbers.ts";
import type { PreviousWebhooks } from "./previous/previous-webhooks.ts";
import type { ClusterSeen } from "./seen.ts";

/** Puts other objects into their queues when this SmsNumber made a change that concerns them. */
export interface Wake {
  stream(namespace: string, name: string): void;
  number(namespace: string, name: string): void;
  /**
   * Causes a new check of the stream's credentials, because Twilio refused them in some call. The last answer about
   * these credentials no longer holds.
   */
  credentialsRefused(stream: string): void;
}

/** The dependencies of the SmsNumber reconciler. */
export interface SmsNumberDeps {
  clock: Clock;
  urls: PublicUrls;
  /**
   * The setting URL_CHECK. A failing self-check keeps the webhook from being set (`enforce`) or is only reported
   * (`report`); with `off` no self-check is made.
   */
  urlCheck: "enforce" | "report" | "off";
  /** The watched objects of the cluster. */
  seen: ClusterSeen;
  /** What the WorkStream reconciler last found out about each WorkStream: credentials, account, route. */
  streams: Streams;
  /** The views of Twilio accounts, shared by all numbers of an account. */
  accounts: Accounts;
  /** The self-checks: does the receiver answer at a route's URL? */
  checks: Checks;
  /** The durable memory of routes, claims and owed numbers (ADR 13). */
  records: Records;
  /**
   * Resolves once the records were read in this term of leadership. Rejects when the signal aborts first, or when
   * the term ends.
   */
  recordsLoaded(signal: AbortSignal): Promise<void>;
  /**
   * Brings the numbers in a stream's routes up to date, so that the receiver accepts texts to them. The change is
   * durable when the promise resolves.
   */
  refreshDigits(namespaceUid: string, stream: string): Promise<void>;
  /** The saved webhooks, which the numbers had before this operator. They are kept in Secrets. */
  previous: PreviousWebhooks;
  /**
   * The SmsNumbers for which `previous` certainly holds nothing yet, so that no request is made to read a saved
   * webhook for them.
   */
  newNumbers: Pick<NewNumbers, "has" | "end">;
  wake: Wake;
  metrics: ControllerMetrics;
}

/**
 * The part of the dependencies that a finalizer needs. `smschannel release` runs the same finalizer, and has no
 * watch for user edits, no self-checks and no metrics endpoint.
 */
export interface Finalization
  extends Omit<SmsNumberDeps, "checks" | "urlCheck" | "newNumbers" | "seen" | "wake" | "metrics"> {
  seen: Omit<ClusterSeen, "touchedAt" | "knowsWorkStreams" | "lacksHours">;
  wake: Omit<Wake, "credentialsRefused">;
  metrics: Pick<ControllerMetrics, "countLetGo">;
}
