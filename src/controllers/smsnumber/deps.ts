import type { Clock } from "../../clock.ts";
import type { PublicUrls } from "../../routes/urls.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { ControllerMetrics } from "../metrics.ts";
import type { Records } from "../records/records.ts";
import type { Checks } from "../selfcheck/checks.ts";
import type { Streams } from "../workstream/streams.ts";
import type { NewNumbers } from "./previous/new-numbers.ts";
import type { PreviousWebhooks } from "./previous/previous-webhooks.ts";
import type { Seen } from "./seen.ts";

/** Which objects hear of a change that this one made. */
export interface Wake {
  stream(namespace: string, name: string): void;
  number(namespace: string, name: string): void;
  /** Twilio refused the stream's credentials in some call: what is known of them no longer holds. */
  credentialsRefused(stream: string): void;
}

/** What the SmsNumber reconciler works with. */
export interface SmsNumberDeps {
  clock: Clock;
  urls: PublicUrls;
  urlCheck: "enforce" | "report" | "off";
  /** The cluster as watched. */
  seen: Seen;
  /** What the WorkStreams' reconciler found out. */
  streams: Streams;
  /** Twilio as seen. */
  accounts: Accounts;
  /** Whether the receiver answers. */
  checks: Checks;
  /** What is remembered of routes, claims and owed numbers. */
  records: Records;
  /** Resolves when the records of this term are read; rejects when the signal aborts before, or the term ends. */
  recordsLoaded(signal: AbortSignal): Promise<void>;
  /** Brings the numbers of a stream's routes up to date; durable when it resolves. */
  refreshDigits(namespaceUid: string, stream: string): Promise<void>;
  /** Webhooks as they were before us. */
  previous: PreviousWebhooks;
  /** Those of which nothing can be stored in `previous`. */
  newNumbers: Pick<NewNumbers, "has" | "end">;
  wake: Wake;
  metrics: ControllerMetrics;
}

/** What of it a finalizer needs: also there for a process that is no operator. */
export interface Finalization
  extends Omit<SmsNumberDeps, "checks" | "urlCheck" | "newNumbers" | "seen" | "wake" | "metrics"> {
  seen: Omit<Seen, "touchedAt" | "knowsWorkStreams" | "lacksHours">;
  wake: Omit<Wake, "credentialsRefused">;
  metrics: Pick<ControllerMetrics, "countLetGo">;
}
