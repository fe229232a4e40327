import { Failure } from "../errors.ts";
import { type AccountSeen, checkCredentials } from "./check.ts";
import { type Credentials, fingerprintOf, type Login, loginsOf } from "./credentials.ts";
import { failureFrom, faultOf, TwilioFault } from "./fault.ts";
import { type Operation, operations } from "./operations.ts";
import { type CallDeps, type CallOptions, RequestClient } from "./request-client.ts";
import {
  addressOf,
  BadAnswer,
  type ConversationsAddress,
  type CredentialCheck,
  type MessagingService,
  numberFrom,
  type PhoneNumber,
  serviceFrom,
  shortCodeFrom,
  sidOf,
  text,
  type WebhookChange,
} from "./resources.ts";
import { type Sdk, sdkClient } from "./sdk.ts";
import type { TwilioAccount } from "./twilio.ts";
import { ForeignUrl, nextPageUrl } from "./url.ts";

const PAGE_SIZE = 1000;
/** A million numbers; Twilio's own pages come to an end. */
const MOST_PAGES = 1000;

/** A page of the SDK's, and what leads to the next. */
interface Page<I> {
  instances: I[];
  nextPageUrl?: string | undefined;
}
interface Listing<P, I> {
  page(params: P & { pageSize: number }): Promise<Page<I>>;
  getPage(url: string): Promise<Page<I>>;
}

/** See `TwilioAccount` for the contract. */
export class Account implements TwilioAccount {
  readonly accountSid: string;
  readonly fingerprint: string;
  readonly #credentials: Credentials;
  readonly #deps: CallDeps;
  readonly #logins: readonly Login[];
  /** The login that worked last: during a rotation the first or the second. */
  #preferred = 0;

  constructor(credentials: Credentials, deps: CallDeps) {
    this.accountSid = credentials.accountSid;
    this.fingerprint = fingerprintOf(credentials);
    this.#credentials = credentials;
    this.#deps = deps;
    this.#logins = loginsOf(credentials);
  }

  get promoted(): boolean {
    return this.#preferred !== 0;
  }

  async check(options: CallOptions): Promise<CredentialCheck> {
    const check = await checkCredentials(this.#credentials, {
      fetchAccount: (login) => this.#fetchAccount(login, options),
      listOne: async (login) =>
        void (await this.#as(login, "ListNumbers", options, (sdk) =>
          this.#v2010(sdk).incomingPhoneNumbers.page({ pageSize: 1 }),
        )),
    });
    if (check.promoted && this.#logins.length > 1) this.#preferred = 1;
    return check;
  }

  async listNumbers(options: CallOptions): Promise<PhoneNumber[]> {
    return await this.#list(
      "ListNumbers",
      options,
      (sdk) => this.#v2010(sdk).incomingPhoneNumbers,
      {},
      numberFrom,
    );
  }

  async findNumber(e164: string, options: CallOptions): Promise<PhoneNumber | null> {
    // The filter is a pattern: +1425555 finds every number that contains it.
    const found = await this.#list(
      "ListNumbers",
      options,
      (sdk) => this.#v2010(sdk).incomingPhoneNumbers,
      { phoneNumber: e164 },
      numberFrom,
    );
    return found.find(({ phoneNumber }) => phoneNumber === e164) ?? null;
  }

  async getNumber(sid: string, options: CallOptions): Promise<PhoneNumber | null> {
    return await orNull(
      this.#call("FetchNumber", options, async (sdk) =>
        only(sid, numberFrom(await this.#v2010(sdk).incomingPhoneNumbers(sidOf(sid)).fetch())),
      ),
    );
  }

  async updateNumber(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber> {
    return await orGone(
      this.#call("UpdateNumber", options, async (sdk) =>
        only(
          sid,
          numberFrom(
            await this.#v2010(sdk)
              .incomingPhoneNumbers(sidOf(sid))
              .update({ ...change }),
          ),
        ),
      ),
    );
  }

  async listShortCodes(options: CallOptions): Promise<PhoneNumber[]> {
    return await this.#list(
      "ListShortCodes",
      options,
      (sdk) => this.#v2010(sdk).shortCodes,
      {},
      shortCodeFrom,
    );
  }

  async updateShortCode(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber> {
    // Short codes have no application, and Twilio refuses parameters that it does not know.
    const { smsApplicationSid: _, ...webhook } = change;
    return await orGone(
      this.#call("UpdateShortCode", options, async (sdk) =>
        only(sid, shortCodeFrom(await this.#v2010(sdk).shortCodes(sidOf(sid)).update(webhook))),
      ),
    );
  }

  async listMessagingServices(options: CallOptions): Promise<MessagingService[]> {
    return await this.#list("ListServices", options, (sdk) => sdk.messaging.v1.services, {}, serviceFrom);
  }

  async listServiceNumbers(serviceSid: string, options: CallOptions): Promise<string[]> {
    const sid = sidOf(serviceSid);
    return await orEmpty(
      this.#list(
        "ListServiceNumbers",
        options,
        (sdk) => sdk.messaging.v1.services(sid).phoneNumbers,
        {},
        (row) => sidOf(row.sid),
      ),
    );
  }

  async listServiceShortCodes(serviceSid: string, options: CallOptions): Promise<string[]> {
    const sid = sidOf(serviceSid);
    return await orEmpty(
      this.#list(
        "ListServiceShortCodes",
        options,
        (sdk) => sdk.messaging.v1.services(sid).shortCodes,
        {},
        (row) => sidOf(row.sid),
      ),
    );
  }

  async listConversationsAddresses(options: CallOptions): Promise<ConversationsAddress[]> {
    return await orEmpty(
      this.#list(
        "ListConversationsAddresses",
        options,
        (sdk) => sdk.conversations.v1.addressConfigurations,
        { type: "sms" },
        addressOf,
      ),
    );
  }

  async #fetchAccount(login: Login, options: CallOptions): Promise<AccountSeen> {
    return await this.#as(login, "FetchAccount", options, async (sdk) => {
      const { status, type, ownerAccountSid, authToken } = await this.#v2010(sdk).fetch();
      return {
        status: text(status),
        type: text(type),
        ownerAccountSid: sidOf(ownerAccountSid),
        authToken: text(authToken),
      };
    });
  }

  /** All pages. A resource that moves from one page to the next between two requests is there once. */
  async #list<P extends object, I, T extends { sid: string } | string>(
    operation: Operation,
    options: CallOptions,
    listing: (sdk: Sdk) => Listing<P, I>,
    params: P,
    convert: (instance: I) => T,
  ): Promise<T[]> {
    const found = new Map<string, T>();
    const seen = new Set<string>();
    let url: string | undefined;
    do {
      const at = url;
      url = await this.#call(operation, options, async (sdk) => {
        const list = listing(sdk);
        const page =
          at === undefined ? await list.page({ ...params, pageSize: PAGE_SIZE }) : await list.getPage(at);
        for (const instance of page.instances) {
          const item = convert(instance);
          found.set(typeof item === "string" ? item : item.sid, item);
        }
        return page.nextPageUrl === undefined
          ? undefined
          : nextPageUrl(page.nextPageUrl, operations[operation].product, this.#deps.place);
      });
      if (url !== undefined && (seen.has(url) || seen.size >= MOST_PAGES))
        throw this.#badAnswer(operation, "ENDLESS_LIST");
      if (url !== undefined) seen.add(url);
    } while (url !== undefined);
    return [...found.values()];
  }

  /** A call that gets 401 is tried once with the other token: it may have been promoted a moment ago. */
  async #call<T>(operation: Operation, options: CallOptions, run: (sdk: Sdk) => Promise<T>): Promise<T> {
    const first = this.#preferred;
    try {
      return await this.#as(this.#logins[first]!, operation, options, run);
    } catch (error) {
      const other = first === 0 ? 1 : 0;
      const login = this.#logins[other];
      if (login === undefined || !isUnauthorized(error)) throw error;
      const result = await this.#as(login, operation, options, run);
      this.#preferred = other;
      return result;
    }
  }

  async #as<T>(
    login: Login,
    operation: Operation,
    options: CallOptions,
    run: (sdk: Sdk) => Promise<T>,
  ): Promise<T> {
    const client = new RequestClient(this.#deps, operation, login, options);
    const sdk = await sdkClient(this.accountSid, login, client);
    try {
      return await run(sdk);
    } catch (error) {
      if (error instanceof Failure || options.signal.aborted) throw error;
      // The SDK met something that it does not expect, or we did. Its error may hold the answer, so it goes no further.
      throw this.#badAnswer(operation, error instanceof ForeignUrl ? "FOREIGN_URL" : "BAD_ANSWER");
    }
  }

  #badAnswer(operation: Operation, code: string): Failure {
    return failureFrom(new TwilioFault(operation, { status: 200, code }), operations[operation]);
  }

  #v2010(sdk: Sdk) {
    return sdk.api.v2010.accounts(this.accountSid);
  }
}

const isUnauthorized = (error: unknown) => error instanceof Failure && error.reason === "TwilioUnauthorized";
const isNotFound = (error: unknown) => faultOf(error)?.status === 404;

/** A cache or a proxy that mixes up answers must not make us believe that a number is set. */
function only(sid: string, found: PhoneNumber): PhoneNumber {
  if (found.sid !== sid) throw new BadAnswer("the answer is about another number");
  return found;
}

async function orNull<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

/** What is listed may have gone since it was found, or the region has no such product. */
async function orEmpty<T>(call: Promise<T[]>): Promise<T[]> {
  return (await orNull(call)) ?? [];
}

/** Gone between the look and the change: released, ported or moved to another account. */
async function orGone<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new Failure("NumberNotInAccount", "the number is no longer in the Twilio account", {
      cause: (error as Failure).cause,
    });
  }
}
