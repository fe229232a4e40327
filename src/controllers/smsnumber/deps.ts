import type { SmsNumber, WorkStream } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { Records } from "../records/records.ts";
import type { Checks } from "../selfcheck/checks.ts";
import type { Streams } from "../workstream/streams.ts";
import type { PublicUrls } from "../workstream/urls.ts";
import type { NewNumbers } from "./previous/new-numbers.ts";
import type { PreviousWebhooks } from "./previous/previous-webhooks.ts";

/** What the SmsNumber reconciler works with. */
export interface SmsNumberDeps {
  clock: Clock;
  records: Records;
  /** Resolves when the records of this term are read; rejects when the signal aborts before, or the term ends. */
  recordsLoaded(signal: AbortSignal): Promise<void>;
  accounts: Accounts;
  checks: Checks;
  streams: Streams;
  previous: PreviousWebhooks;
  /** Of which nothing can be stored in `previous`. */
  newNumbers: Pick<NewNumbers, "has" | "end">;
  urls: PublicUrls;
  urlCheck: "enforce" | "report" | "off";
  /** How long its deletion still waits for Twilio; 0 or less when it has waited long enough. */
  deletionLeftMs(number: SmsNumber): number;
  /** When a user last did something to the object, as far as this process saw it. */
  touchedAt(number: SmsNumber): number;
  /** The objects as watched. */
  workStream(namespace: string, name: string): WorkStream | undefined;
  /** False: they may not be listed there, so that one which is not seen may well be there. */
  knowsWorkStreams(namespace: string): boolean;
  /** True only when it is certain that there are none of this name. */
  lacksHours(namespace: string, name: string): boolean;
  numbersWithDigits(digits: string): SmsNumber[];
  numbersOfStream(namespace: string, stream: string): SmsNumber[];
  namespaceUid(namespace: string, signal: AbortSignal): Promise<string>;
  /** Brings the numbers of a stream's routes up to date; durable when it resolves. */
  refreshDigits(namespaceUid: string, stream: string): Promise<void>;
  /** Some WorkStream's or SmsNumber's facts changed: look at it again. */
  wakeStream(namespace: string, stream: string): void;
  wakeNumber(namespace: string, name: string): void;
  /** Twilio refused these credentials in some call. */
  credentialsRefused(stream: string): void;
  countDrift(): void;
  /** A number was let go, and its webhook not given back. */
  countLetGo(reason: string): void;
}

/** What of it a finalizer needs: also there for a process that is no operator. */
export type Finalization = Omit<
  SmsNumberDeps,
  | "checks"
  | "urlCheck"
  | "touchedAt"
  | "newNumbers"
  | "knowsWorkStreams"
  | "lacksHours"
  | "credentialsRefused"
  | "countDrift"
>;
