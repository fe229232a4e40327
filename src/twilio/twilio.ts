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
 * One Twilio account, accessed with one set of credentials. Every method throws a Failure whose `cause` (see `faultOf`) has the HTTP
 * status and Twilio's error code and holds nothing secret. When the signal aborts for a reason other than a time-out, the method throws
 * that reason instead. Reads are repeated a few times, and an update is repeated once when its answer was lost. An update sets the same
 * values each time, so the repetition changes nothing.
 */
export interface TwilioAccount {
  readonly accountSid: string;
  /** Names the credentials without revealing them. It is the key of every cache, since account SIDs are not secret. */
  readonly fingerprint: string;
  /** True when the secondary token worked last, because the first token was refused. */
  readonly promoted: boolean;
  /**
   * Finds out which of the credentials Twilio accepts, by trying each by itself. Throws TwilioUnauthorized when no token is accepted, or
   * when the API key is not. Can also throw AccountSuspended, SubaccountNeedsOwnToken, TwilioPermissionMissing, TwilioThrottled and
   * TwilioUnavailable.
   */
  check(options: CallOptions): Promise<CredentialCheck>;
  /** Returns all numbers, with one request per 1,000 numbers. */
  listNumbers(options: CallOptions): Promise<PhoneNumber[]>;
  /** Reads a number by its SID. Null when the account does not own the number. */
  getNumber(sid: string, options: CallOptions): Promise<PhoneNumber | null>;
  /** Finds a number by exactly its `+` and digits. */
  findNumber(e164: string, options: CallOptions): Promise<PhoneNumber | null>;
  /**
   * Updates a number in one request, which changes all or nothing. Returns the number as Twilio has it now. Throws NumberNotInAccount when
   * the number is gone.
   */
  updateNumber(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber>;
  listShortCodes(options: CallOptions): Promise<PhoneNumber[]>;
  /** Updates a short code as `updateNumber` updates a number. The application is ignored, since short codes have none. */
  updateShortCode(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber>;
  listMessagingServices(options: CallOptions): Promise<MessagingService[]>;
  /** Returns the SIDs of the numbers in a Messaging Service, and an empty list when the service is gone. */
  listServiceNumbers(serviceSid: string, options: CallOptions): Promise<string[]>;
  listServiceShortCodes(serviceSid: string, options: CallOptions): Promise<string[]>;
  /** Returns the Conversations addresses of type sms. The list is empty where the region lacks Conversations. */
  listConversationsAddresses(options: CallOptions): Promise<ConversationsAddress[]>;
}

/** How Twilio is reached, and how many requests it gets. */
export interface TwilioOptions {
  clock: Clock;
  log: Log;
  /** A URL that replaces Twilio's hosts (`TWILIO_BASE_URL`). */
  baseUrl?: string;
  registry?: Registry;
  /** Time for one request, 10 s by default. */
  timeoutMs?: number;
  /**
   * Says whether this process leads, since only a leader may send requests to Twilio. A request or a repetition that could outlast its
   * Lease is not begun. By default requests are always allowed.
   */
  leadership?: Leadership;
  /** How many calls of one account may be under way at a time, 20 by default. */
  concurrencyPerAccount?: number;
  /** How many requests of one account may start in a second, 250 by default. */
  requestsPerSecondPerAccount?: number;
  /** A dispatcher that sends the requests instead of a pool of our own. Whoever passes a dispatcher closes it. */
  dispatcher?: Dispatcher;
  /** Returns a number between 0 and 1 for backoff; tests make it constant. */
  random?: () => number;
}

/**
 * How many requests of all accounts may be under way at a time. Each request holds a connection for as long as Twilio lets it wait.
 * The places are shared fairly (ADR 29): accounts that hang leave some places to the other accounts, however many accounts hang.
 */
const REQUESTS_AT_ONCE = 256;

/** The client of Twilio's REST API for any number of accounts, over one pool of connections. */
export class Twilio {
  readonly #options: TwilioOptions;
  readonly #transport: Transport;
  readonly #places = new Places(REQUESTS_AT_ONCE);
  readonly #requests: Counter<"operation" | "status"> | undefined;
  /**
   * The known accounts, as weak references. An account stays in memory only as long as somebody uses it, so that former credentials do not
   * stay in memory.
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

  /** The account for these credentials. The same credentials give the same object, with one budget. */
  account(credentials: Credentials): TwilioAccount {
    const key = fingerprintOf(credentials);
    const known = this.#accounts.get(key)?.deref();
    if (known !== undefined) return known;
    const account = this.#create(credentials);
    this.#accounts.set(key, new WeakRef(account));
    this.#forget.register(account, key);
    return account;
  }

  /** Closes its own connections after the requests in flight have ended. May be called twice. */
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
    help: "Requests to Twilio's REST API by operation and by HTTP status, or by the reason why Twilio did not answer.",
    labelNames: ["operation", "status"] as const,
    registers: [registry],
  });
}
