import type { WorkStream } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import type { PublicUrls } from "../../routes/urls.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { RouteRecord, UrlRecord } from "../records/record.ts";
import type { Records } from "../records/records.ts";
import type { Checks } from "../selfcheck/checks.ts";
import type { CredentialChecks } from "./credential-checks.ts";
import type { RoutingChecks } from "./routing-checks.ts";
import type { SecretReader } from "./secret-reader.ts";
import type { Streams } from "./streams.ts";
import type { StreamFacts } from "./verdicts.ts";

/** Everything the WorkStream reconciler works with; tests put other parts in their place. */
export interface WorkStreamDeps {
  clock: Clock;
  records: Records;
  accounts: Accounts;
  checks: Checks;
  credentialChecks: CredentialChecks;
  /** When a user last did something to the stream or its Secret, as far as this process saw it. */
  touchedAt(stream: WorkStream): number;
  routing: RoutingChecks;
  streams: Streams;
  secrets: SecretReader;
  evidence: Evidence;
  urls: PublicUrls;
  /** Why PUBLIC_URL is of no use to Twilio; undefined when it is fine. */
  publicUrlProblem: string | undefined;
  /** URL_CHECK: whether a failing self-check gates, is only reported, or is not made. */
  urlCheck: "enforce" | "report" | "off";
  /**
   * A resync of the stream could not ask Twilio. Its numbers, of which nothing can be known either, count it as one
   * of theirs.
   */
  resyncFailed(stream: string): void;
  namespaceUid(namespace: string, signal: AbortSignal): Promise<string>;
  /** The stream's number as its own status tells it. */
  numberOf(namespace: string, stream: string): StreamFacts["number"];
  /** Digits whose texts belong to this route. */
  digitsOf(route: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream" | "accountSid">): string[];
  /** Does a number that we configured point at these URLs? */
  pointedAt(urls: UrlRecord): boolean;
}

/**
 * A stream's place. Its routes go by the namespace's UID and not its name, so that a new namespace of the same name
 * inherits none.
 */
export interface StreamKey {
  namespace: string;
  namespaceUid: string;
  stream: string;
}
