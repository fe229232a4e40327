/**
 * What the SmsNumber controller is given. The reconciler and the finalizer get all of the outside world through
 * these interfaces, so that tests and the command `smschannel release` can put other parts in their place.
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

/** Puts other objects into their queues after a change that this SmsNumber made and that concerns them. */
export interface Wake {
  stream(namespace: string, name: string): void;
  number(namespace: string, name: string): void;
  /** Twilio refused the stream's credentials in some call: the last answer about them no longer holds. */
  credentialsRefused(stream: string): void;
}

/** Everything the SmsNumber reconciler works with. */
export interface SmsNumberDeps {
  clock: Clock;
  urls: PublicUrls;
  /** URL_CHECK: whether a failing self-check holds back the pointing (`enforce`), is only reported, or is not made. */
  urlCheck: "enforce" | "report" | "off";
  /** The cluster as watched. */
  seen: ClusterSeen;
  /** What the WorkStream reconciler last found out about each stream: credentials, account, route. */
  streams: Streams;
  /** The views of Twilio accounts, shared by all numbers of an account. */
  accounts: Accounts;
  /** The self-checks: whether the receiver answers at a route's URL. */
  checks: Checks;
  /** The durable memory of routes, claims and owed numbers (ADR 13). */
  records: Records;
  /** Resolves once the records of this term are read; rejects when the signal aborts before, or the term ends. */
  recordsLoaded(signal: AbortSignal): Promise<void>;
  /**
   * Brings the numbers in a stream's routes up to date, so that the receiver accepts them. Durable when it
   * resolves.
   */
  refreshDigits(namespaceUid: string, stream: string): Promise<void>;
  /** The webhooks as they were before us, in Secrets. */
  previous: PreviousWebhooks;
  /** Numbers for which `previous` cannot hold anything yet, so that asking it can be skipped. */
  newNumbers: Pick<NewNumbers, "has" | "end">;
  wake: Wake;
  metrics: ControllerMetrics;
}

/**
 * What of that a finalizer needs. `smschannel release` runs the same finalizer without watching for touches,
 * self-checks or a metrics endpoint, so these are left out.
 */
export interface Finalization
  extends Omit<SmsNumberDeps, "checks" | "urlCheck" | "newNumbers" | "seen" | "wake" | "metrics"> {
  seen: Omit<ClusterSeen, "touchedAt" | "knowsWorkStreams" | "lacksHours">;
  wake: Omit<Wake, "credentialsRefused">;
  metrics: Pick<ControllerMetrics, "countLetGo">;
}
