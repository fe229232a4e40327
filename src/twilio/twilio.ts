import { Counter, type Registry } from "@prometheus-io/client";
import type { Dispatcher } from "undici";
import type { Clock } from "../clock.ts";
import { Places } from "../fairness/places.ts";
import { ALWAYS, type Leadership } from "../leadership.ts";
import type { Log } from "../log.ts";
import { SdkAccount } from "./account.ts";
import { Budget } from "./budget.ts";
import { type Credentials, fingerprintOf } from "./credentials.ts";
import type { CallOptions } from "./request-client.ts";
import type {
  ConversationsAddress,
  CredentialCheck,
  MessagingService,
  PhoneNumber,
  WebhookChange,
} from "./resources.ts";
import { Transport } from "./transport.ts";

export type { Lane } from "./budget.ts";
export { faultOf, TwilioFault } from "./fault.ts";
export type { CallOptions } from "./request-client.ts";
export type * from "./resources.ts";

/**
 * One Twilio account, seen with one set of credentials. Every method throws a Failure whose `cause` (see `faultOf`)
 * has status and Twilio's code and holds nothing secret, or the signal's reason when that is not a time-out. Reads
 * are repeated a few times, an update once when its answer was lost; an update sets the same values each time, so
 * nothing is done twice by that.
 */
export interface TwilioAccount {
  readonly accountSid: string;
  /** Names the credentials without telling them. The key of every cache, since account SIDs are no secret. */
  readonly fingerprint: string;
  /** The secondary token is the one that worked last: the first was refused meanwhile. */
  readonly promoted: boolean;
  /**
   * Which of the credentials Twilio accepts, each tried by itself. Throws TwilioUnauthorized when no token is
   * accepted, or when the API key is not; AccountSuspended, SubaccountNeedsOwnToken, TwilioPermissionMissing,
   * TwilioThrottled, TwilioUnavailable.
   */
  check(options: CallOptions): Promise<CredentialCheck>;
  /** All of them, a request per 1,000. */
  listNumbers(options: CallOptions): Promise<PhoneNumber[]>;
  /** Null when the account does not own it. */
  getNumber(sid: string, options: CallOptions): Promise<PhoneNumber | null>;
  /** By `+` and digits, exactly. */
  findNumber(e164: string, options: CallOptions): Promise<PhoneNumber | null>;
  /**
   * One request, all or nothing. Returns the number as Twilio has it now; throws NumberNotInAccount when the number
   * is gone.
   */
  updateNumber(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber>;
  listShortCodes(options: CallOptions): Promise<PhoneNumber[]>;
  /** Like `updateNumber`. An application is ignored, since short codes have none. */
  updateShortCode(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber>;
  listMessagingServices(options: CallOptions): Promise<MessagingService[]>;
  /** SIDs of the numbers in a service; none when the service is gone. */
  listServiceNumbers(serviceSid: string, options: CallOptions): Promise<string[]>;
  listServiceShortCodes(serviceSid: string, options: CallOptions): Promise<string[]>;
  /** Of type sms; none where the region lacks Conversations. */
  listConversationsAddresses(options: CallOptions): Promise<ConversationsAddress[]>;
}

/** How Twilio is reached, and how much it is asked. */
export interface TwilioOptions {
  clock: Clock;
  log: Log;
  /** Replaces Twilio's hosts (`TWILIO_BASE_URL`). */
  baseUrl?: string;
  registry?: Registry;
  /** For one request; default 10 s. */
  timeoutMs?: number;
  /**
   * Only a leader may ask Twilio: no request, and no repetition, begins that could outlast its Lease. Default:
   * always allowed.
   */
  leadership?: Leadership;
  /** Calls at once, default 20. */
  concurrencyPerAccount?: number;
  /** Default 250. */
  requestsPerSecondPerAccount?: number;
  /** Sends the requests instead of a pool of our own; the caller closes it. */
  dispatcher?: Dispatcher;
  /** Between 0 and 1, for backoff; tests make it constant. */
  random?: () => number;
}

/**
 * Requests of all accounts at a time. Each holds a connection for as long as Twilio lets it wait, so they are
 * shared fairly (ADR 29): accounts that hang leave some to the others, however many they are.
 */
const REQUESTS_AT_ONCE = 256;

/** Twilio's REST API for any number of accounts, over one pool of connections. */
export class Twilio {
  readonly #options: TwilioOptions;
  readonly #transport: Transport;
  readonly #places = new Places(REQUESTS_AT_ONCE);
  readonly #requests: Counter<"operation" | "status"> | undefined;
  /**
   * Weak references: an account lives as long as somebody uses it, so that former credentials leave the memory with
   * their last user.
   */
  readonly #accounts = new Map<string, WeakRef<SdkAccount>>();
  readonly #forget = new FinalizationRegistry<string>((key) => {
    if (this.#accounts.get(key)?.deref() === undefined) this.#accounts.delete(key);
  });

  constructor(options: TwilioOptions) {
    const { clock, dispatcher, registry, timeoutMs = 10_000 } = options;
    this.#options = options;
    this.#transport = new Transport({
      clock,
      timeoutMs,
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    this.#requests = registry === undefined ? undefined : requestCounter(registry);
  }

  /** The account for these credentials: the same object for the same credentials, with one budget. */
  account(credentials: Credentials): TwilioAccount {
    const key = fingerprintOf(credentials);
    const known = this.#accounts.get(key)?.deref();
    if (known !== undefined) return known;
    const account = this.#create(credentials);
    this.#accounts.set(key, new WeakRef(account));
    this.#forget.register(account, key);
    return account;
  }

  /** Waits for requests in flight; may be called twice. */
  async stop(): Promise<void> {
    await this.#transport.stop();
  }

  #create(credentials: Credentials): SdkAccount {
    const { clock, log, leadership = ALWAYS, random = Math.random } = this.#options;
    const { baseUrl, concurrencyPerAccount = 20, requestsPerSecondPerAccount = 250 } = this.#options;
    const { region, edge } = credentials;
    return new SdkAccount(credentials, {
      transport: this.#transport,
      places: this.#places,
      fingerprint: fingerprintOf(credentials),
      budget: new Budget({
        clock,
        concurrency: concurrencyPerAccount,
        requestsPerSecond: requestsPerSecondPerAccount,
        random,
      }),
      place: {
        ...(region === undefined || edge === undefined ? {} : { region, edge }),
        ...(baseUrl === undefined ? {} : { baseUrl }),
      },
      leadership,
      clock,
      log,
      requests: this.#requests,
      random,
    });
  }
}

function requestCounter(registry: Registry) {
  return new Counter({
    name: "smschannel_twilio_requests_total",
    help: "Requests to Twilio's REST API by operation and HTTP status, or why there was no answer of Twilio's.",
    labelNames: ["operation", "status"] as const,
    registers: [registry],
  });
}
