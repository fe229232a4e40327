import type { Clock } from "../../clock.ts";
import type { Outbox } from "../messages/outbox.ts";
import type { Region } from "../state/region.ts";
import type { ApiKey, SimulatedAccount } from "../state/resources.ts";
import type { SimulatorState } from "../state/state.ts";

/** The parts of the simulator that every API operation may use. */
export interface SimulatorContext {
  readonly state: SimulatorState;
  readonly clock: Clock;
  readonly allowLocalUrls: boolean;
  readonly outbox: Outbox;
  /** The simulator's own address, such as `http://127.0.0.1:4010`. */
  readonly url: string;
}

/** The caller: an account that logged in with its auth token or with one of its API keys. */
export interface Principal {
  account: SimulatedAccount;
  key: ApiKey | undefined;
}

/** One authenticated call of the API. */
export interface ApiCall {
  readonly region: Region;
  /** The account that the path names, or the account that logged in when the path names no account. */
  readonly account: SimulatedAccount;
  /** The SIDs in the path, by their names in Twilio's OpenAPI files. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
  /** The path that Twilio's own host would see, without the base URL's region and product. */
  readonly path: string;
  /** Milliseconds that a fault adds to the usual lag of the message list. */
  readonly extraLagMs: number;
  /** The names of parameters that the operation does not know. The operation adds them here and ignores the parameters, as Twilio does. */
  readonly ignored: string[];
}

/** A successful answer; errors are thrown as TwilioError. */
export interface ApiAnswer {
  status: number;
  /** The body, sent as JSON. Undefined: the answer has an empty body. */
  body?: Record<string, unknown>;
  headers?: Record<string, string>;
}

export type TwilioProduct = "api" | "messaging" | "conversations" | "accounts";

/** One operation of the API, with everything that the router, the authorization and the OpenAPI check need to know about it. */
export interface ApiOperation {
  /** The operation's id in Twilio's OpenAPI files. */
  name: string;
  product: TwilioProduct;
  method: "GET" | "POST" | "DELETE";
  /** The path. A name in braces stands for one path segment; `ApiCall.params` has its value. */
  path: string;
  /** The permission that a restricted key needs to call the operation. Undefined: no restricted key may call it. */
  permission?: string;
  /**
   * Whether the operation is allowed only with an auth token or a main key. Standard keys then get the same 401 as for a wrong password.
   */
  mainOnly?: boolean;
  handle(call: ApiCall, context: SimulatorContext): ApiAnswer;
}

export const ok = (body: Record<string, unknown>): ApiAnswer => ({ status: 200, body });
export const created = (body: Record<string, unknown>): ApiAnswer => ({ status: 201, body });
export const noContent: ApiAnswer = { status: 204 };
