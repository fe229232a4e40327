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

/** The dependencies of the WorkStream reconciler. Tests replace some of them. */
export interface WorkStreamDeps {
  clock: Clock;
  records: Records;
  accounts: Accounts;
  checks: Checks;
  credentialChecks: CredentialChecks;
  /** When a user last changed the WorkStream or its Secret, as far as this process saw it. */
  touchedAt(stream: WorkStream): number;
  routing: RoutingChecks;
  streams: Streams;
  secrets: SecretReader;
  evidence: Evidence;
  urls: PublicUrls;
  /** Why Twilio cannot use PUBLIC_URL; undefined when PUBLIC_URL is fine. */
  publicUrlProblem: string | undefined;
  /**
   * The setting URL_CHECK. A failing self-check keeps webhooks from being set (`enforce`) or is only reported
   * (`report`); with `off` no self-check is made.
   */
  urlCheck: "enforce" | "report" | "off";
  /**
   * Reports that a resync of the WorkStream could not reach Twilio. This counts as a failed resync of the
   * WorkStream's numbers too, because nothing can be known of them either.
   */
  resyncFailed(stream: string): void;
  namespaceUid(namespace: string, signal: AbortSignal): Promise<string>;
  /** The WorkStream's number, as the status of the SmsNumber describes it. */
  numberOf(namespace: string, stream: string): StreamFacts["number"];
  /** The digits of the numbers whose texts belong to this route. */
  digitsOf(route: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream" | "accountSid">): string[];
  /** Is there a number whose webhook the operator set to these URLs? */
  pointedAt(urls: UrlRecord): boolean;
}

/**
 * Identifies a WorkStream. Its routes use the namespace's UID and not its name, so that a new namespace with the
 * same name inherits no routes.
 */
export interface StreamKey {
  namespace: string;
  namespaceUid: string;
  stream: string;
}
