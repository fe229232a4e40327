/**
 * This file drives the SDK: it makes one client for each call, with one login, and reads lists page by page. It catches everything
 * that the SDK throws, because errors of the SDK can hold answers and credentials (ADR 6).
 */

import { Failure } from "../errors.ts";
import { LeadershipLost } from "../leadership.ts";
import { type Credentials, type Login, loginsOf } from "./credentials.ts";
import { failureFrom, TwilioFault } from "./fault.ts";
import { type Operation, operations } from "./operations.ts";
import { type CallDeps, type CallOptions, RequestClient } from "./request-client.ts";
import { BadAnswer } from "./resources.ts";
import { type Sdk, sdkClient } from "./sdk.ts";
import { ForeignUrl, nextPageUrl } from "./url.ts";

/** The largest page that Twilio allows. A larger one gets error 20007. */
const PAGE_SIZE = 1000;
/**
 * How many pages of one list are read at most: enough for a million numbers. Each list of Twilio has a last page, so a list with more pages
 * than this does not come from Twilio.
 */
const MOST_PAGES = 1000;

/** A page of a list as the SDK returns it, with the URL of the next page. */
interface SdkPage<I> {
  instances: I[];
  nextPageUrl?: string | undefined;
}
/** The methods of the SDK that read a list: `page` gets the first page, and `getPage` gets any page by its URL. */
interface Listing<P, I> {
  page(params: P & { pageSize: number }): Promise<SdkPage<I>>;
  getPage(url: string): Promise<SdkPage<I>>;
}

/**
 * Makes the calls of one account. It chooses the login, reads all pages of a list, and turns the errors of the SDK into Failures.
 */
export class Calls {
  readonly #accountSid: string;
  readonly #deps: CallDeps;
  readonly #logins: readonly Login[];
  /** Index of the login that worked last: during a rotation, the first or the second token. */
  #preferred = 0;

  constructor(credentials: Credentials, deps: CallDeps) {
    this.#accountSid = credentials.accountSid;
    this.#deps = deps;
    this.#logins = loginsOf(credentials);
  }

  /** True when the second token is the one that worked last. */
  get promoted(): boolean {
    return this.#preferred !== 0;
  }

  /** Notes whether a check of the credentials found the second token to be the one that works. */
  preferSecond(promoted: boolean) {
    this.#preferred = promoted && this.#logins.length > 1 ? 1 : 0;
  }

  /** Reads all pages of a list. A resource that moves from one page to the next between two requests is in the result only once. */
  async list<P extends object, I, T extends { sid: string } | string>(
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
      url = await this.call(operation, options, async (sdk) => {
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
      // A list whose pages repeat is an error, because a cache between us and Twilio could answer with the same page for ever.
      if (url !== undefined && (seen.has(url) || seen.size >= MOST_PAGES))
        throw badAnswer(operation, "ENDLESS_LIST", "its list of pages has no end");
      if (url !== undefined) seen.add(url);
    } while (url !== undefined);
    return [...found.values()];
  }

  /** Makes a call. A call that gets 401 is tried once with the other token, because the tokens may have been promoted a moment ago. */
  async call<T>(operation: Operation, options: CallOptions, run: (sdk: Sdk) => Promise<T>): Promise<T> {
    const first = this.#preferred;
    try {
      return await this.as(this.#logins[first]!, operation, options, run);
    } catch (error) {
      const other = first === 0 ? 1 : 0;
      const login = this.#logins[other];
      if (login === undefined || !isUnauthorized(error)) throw error;
      const result = await this.as(login, operation, options, run);
      this.#preferred = other;
      return result;
    }
  }

  /** Makes a call with exactly the given login. */
  async as<T>(
    login: Login,
    operation: Operation,
    options: CallOptions,
    run: (sdk: Sdk) => Promise<T>,
  ): Promise<T> {
    const client = new RequestClient(this.#deps, operation, login, options);
    const sdk = await sdkClient(this.#accountSid, login, client);
    try {
      return await run(sdk);
    } catch (error) {
      // A Failure or a LeadershipLost is an error of our own and is thrown as it is. Any other error comes from the SDK.
      if (error instanceof Failure || error instanceof LeadershipLost) throw error;
      if (options.signal.aborted) throw options.signal.reason;
      throw unusable(operation, error);
    }
  }
}

/**
 * Makes a Failure for an error of the SDK or for an unexpected answer. The error may hold the answer, so the Failure has only our words.
 */
function unusable(operation: Operation, error: unknown): Failure {
  if (error instanceof ForeignUrl)
    return badAnswer(operation, "FOREIGN_URL", "its next page is at another address");
  const detail = error instanceof BadAnswer ? error.message : "it is not what Twilio's reference describes";
  return badAnswer(operation, "BAD_ANSWER", detail);
}

function badAnswer(operation: Operation, code: string, detail: string): Failure {
  return failureFrom(new TwilioFault(operation, { status: 200, code, detail }), operations[operation]);
}

const isUnauthorized = (error: unknown) => error instanceof Failure && error.reason === "TwilioUnauthorized";
