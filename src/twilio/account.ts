/**
 * This file makes the calls of one Twilio account. The methods return no types of the SDK: results are copied into our own types, and each
 * field is checked.
 */

import { Failure } from "../errors.ts";
import { Calls } from "./calls.ts";
import { type AccountSeen, checkCredentials } from "./check.ts";
import { type Credentials, fingerprintOf, type Login } from "./credentials.ts";
import { isNotFound } from "./fault.ts";
import type { CallDeps, CallOptions } from "./request-client.ts";
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
import type { Sdk } from "./sdk.ts";
import type { TwilioAccount } from "./twilio.ts";

/**
 * Implements `TwilioAccount` with Twilio's SDK; the interface documents the methods. Answers are checked before they are believed: a cache
 * or proxy in between can return the answer for another account or another number.
 */
export class SdkAccount implements TwilioAccount {
  readonly accountSid: string;
  readonly fingerprint: string;
  readonly #credentials: Credentials;
  readonly #calls: Calls;

  constructor(credentials: Credentials, deps: CallDeps) {
    this.accountSid = credentials.accountSid;
    this.fingerprint = fingerprintOf(credentials);
    this.#credentials = credentials;
    this.#calls = new Calls(credentials, deps);
  }

  get promoted(): boolean {
    return this.#calls.promoted;
  }

  /** Checks the credentials. Remembers which token was accepted, so that the next call does not begin with a token that is refused. */
  async check(options: CallOptions): Promise<CredentialCheck> {
    const check = await checkCredentials(this.#credentials, {
      fetchAccount: (login) => this.#fetchAccount(login, options),
      listOne: async (login) =>
        void (await this.#calls.as(login, "ListNumbers", options, (sdk) =>
          this.#v2010(sdk).incomingPhoneNumbers.page({ pageSize: 1 }),
        )),
    });
    this.#calls.preferSecond(check.promoted);
    return check;
  }

  /** Lists all numbers, with one request for each 1,000 numbers. */
  async listNumbers(options: CallOptions): Promise<PhoneNumber[]> {
    return await this.#calls.list(
      "ListNumbers",
      options,
      (sdk) => this.#v2010(sdk).incomingPhoneNumbers,
      {},
      this.#number,
    );
  }

  async findNumber(e164: string, options: CallOptions): Promise<PhoneNumber | null> {
    // The filter of Twilio is a pattern: +1425555 finds every number that contains it. So the exact number is picked from the result.
    const found = await this.#calls.list(
      "ListNumbers",
      options,
      (sdk) => this.#v2010(sdk).incomingPhoneNumbers,
      { phoneNumber: e164 },
      this.#number,
    );
    return found.find(({ phoneNumber }) => phoneNumber === e164) ?? null;
  }

  async getNumber(sid: string, options: CallOptions): Promise<PhoneNumber | null> {
    return await orNull(
      this.#calls.call("FetchNumber", options, async (sdk) =>
        only(sid, this.#number(await this.#v2010(sdk).incomingPhoneNumbers(sidOf(sid)).fetch())),
      ),
    );
  }

  /**
   * Updates a number and returns it as Twilio has it now. Twilio has no versions of a number, so an update does not notice that somebody
   * changed the number since it was read. The caller must compare the returned number with what it expects.
   */
  async updateNumber(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber> {
    return await orGone(
      this.#calls.call("UpdateNumber", options, async (sdk) =>
        only(
          sid,
          this.#number(
            await this.#v2010(sdk)
              .incomingPhoneNumbers(sidOf(sid))
              .update({ ...change }),
          ),
        ),
      ),
    );
  }

  /** Lists the short codes. Most accounts have none. A region of Twilio without short codes answers 404, which gives an empty list. */
  async listShortCodes(options: CallOptions): Promise<PhoneNumber[]> {
    return await orEmpty(
      this.#calls.list("ListShortCodes", options, (sdk) => this.#v2010(sdk).shortCodes, {}, this.#shortCode),
    );
  }

  async updateShortCode(sid: string, change: WebhookChange, options: CallOptions): Promise<PhoneNumber> {
    // The application is left out: short codes have none, and Twilio refuses parameters that a resource does not have (error 20001).
    const { smsApplicationSid: _, ...webhook } = change;
    return await orGone(
      this.#calls.call("UpdateShortCode", options, async (sdk) =>
        only(sid, this.#shortCode(await this.#v2010(sdk).shortCodes(sidOf(sid)).update(webhook))),
      ),
    );
  }

  async listMessagingServices(options: CallOptions): Promise<MessagingService[]> {
    return await orEmpty(
      this.#calls.list("ListServices", options, (sdk) => sdk.messaging.v1.services, {}, serviceFrom),
    );
  }

  /** Lists the numbers of a Messaging Service. The list is empty when the service was deleted after the list of services had been read. */
  async listServiceNumbers(serviceSid: string, options: CallOptions): Promise<string[]> {
    const sid = sidOf(serviceSid);
    return await orEmpty(
      this.#calls.list(
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
      this.#calls.list(
        "ListServiceShortCodes",
        options,
        (sdk) => sdk.messaging.v1.services(sid).shortCodes,
        {},
        (row) => sidOf(row.sid),
      ),
    );
  }

  /** Lists only addresses of type sms: the addresses of WhatsApp and other channels take no texts. */
  async listConversationsAddresses(options: CallOptions): Promise<ConversationsAddress[]> {
    return await orEmpty(
      this.#calls.list(
        "ListConversationsAddresses",
        options,
        (sdk) => sdk.conversations.v1.addressConfigurations,
        { type: "sms" },
        addressOf,
      ),
    );
  }

  /** Reads the account with exactly the given login, because a check of credentials asks about one token at a time. */
  async #fetchAccount(login: Login, options: CallOptions): Promise<AccountSeen> {
    return await this.#calls.as(login, "FetchAccount", options, async (sdk) => {
      const { sid, status, type, ownerAccountSid, authToken } = await this.#v2010(sdk).fetch();
      // An answer about another account, from a cache, would make a wrong token count as accepted.
      if (sid !== this.accountSid) throw new BadAnswer("sid is not that of the account");
      return {
        status: text(status, "status"),
        type: text(type, "type"),
        ownerAccountSid: sidOf(ownerAccountSid, "owner_account_sid"),
        authToken: text(authToken, "auth_token"),
      };
    });
  }

  readonly #number = (sdk: Parameters<typeof numberFrom>[0]) => this.#own(numberFrom(sdk));
  readonly #shortCode = (sdk: Parameters<typeof shortCodeFrom>[0]) => this.#own(shortCodeFrom(sdk));

  /**
   * Throws when the number belongs to another account. A cache between us and Twilio that ignores the login would show us the numbers of
   * another account.
   */
  #own(number: PhoneNumber): PhoneNumber {
    if (number.accountSid !== this.accountSid) throw new BadAnswer("account_sid is not that of the account");
    return number;
  }

  /** The API for the resources of this account. The path names the account, because a parent's login opens its subaccounts as well. */
  #v2010(sdk: Sdk) {
    return sdk.api.v2010.accounts(this.accountSid);
  }
}

/**
 * Throws when the answer is about another number: a cache or proxy that mixes up answers must not make us believe that a number is set.
 */
function only(sid: string, found: PhoneNumber): PhoneNumber {
  if (found.sid !== sid) throw new BadAnswer("sid is not that of the number");
  return found;
}

/** Turns a 404 of Twilio itself into null. */
async function orNull<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

/** Turns a 404 of Twilio into an empty list: the owner of the list, such as a service, was deleted, or the region lacks the product. */
async function orEmpty<T>(call: Promise<T[]>): Promise<T[]> {
  return (await orNull(call)) ?? [];
}

/**
 * Turns a 404 of Twilio into NumberNotInAccount: the number left the account since it was last read. It was released, ported or moved to
 * another account.
 */
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
