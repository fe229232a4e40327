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

/** What the WorkStream reconciler works with. */
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
  urlCheck: "enforce" | "report" | "off";
  /** A resync of the stream could not look at Twilio: for its numbers, of which nothing can be known either, that is one as well. */
  resyncFailed(stream: string): void;
  namespaceUid(namespace: string, signal: AbortSignal): Promise<string>;
  /** The stream's number as its own status tells it. */
  numberOf(namespace: string, stream: string): StreamFacts["number"];
  /** Digits whose texts belong to this route. */
  digitsOf(route: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream" | "accountSid">): string[];
  /** Does a number that we configured point at these URLs? */
  pointedAt(urls: UrlRecord): boolean;
}

/** A stream's place: its routes are those of the namespace's UID, not of its name. */
export interface StreamKey {
  namespace: string;
  namespaceUid: string;
  stream: string;
}
