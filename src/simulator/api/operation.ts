import type { Clock } from "../../clock.ts";
import type { Outbox } from "../messages/outbox.ts";
import type { Region } from "../state/region.ts";
import type { ApiKey, SimulatedAccount } from "../state/resources.ts";
import type { SimulatorState } from "../state/state.ts";

/** What every operation may use. */
export interface SimulatorContext {
  readonly state: SimulatorState;
  readonly clock: Clock;
  readonly allowLocalUrls: boolean;
  readonly outbox: Outbox;
  /** The simulator's own address, such as `http://127.0.0.1:4010`. */
  readonly url: string;
}

/** Who logged in: an account by its token, or one of its keys. */
export interface Principal {
  account: SimulatedAccount;
  key: ApiKey | undefined;
}

/** One authenticated call of the API. */
export interface ApiCall {
  readonly region: Region;
  /** The account in the path; where the path has none, the one that logged in. */
  readonly account: SimulatedAccount;
  /** The SIDs in the path by their names in Twilio's OpenAPI files. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
  /** As Twilio's own host sees it. */
  readonly path: string;
  /** How much longer than usual the list of messages lags behind, by a fault. */
  readonly extraLagMs: number;
  /** Names of parameters that the operation does not know. As Twilio does, it goes on without them; each is noted here. */
  readonly ignored: string[];
}

export interface ApiAnswer {
  status: number;
  /** Sent as JSON; absent: an empty body. */
  body?: Record<string, unknown>;
  headers?: Record<string, string>;
}

export type TwilioProduct = "api" | "messaging" | "conversations" | "accounts";

export interface ApiOperation {
  /** The operation's id in Twilio's OpenAPI files. */
  name: string;
  product: TwilioProduct;
  method: "GET" | "POST" | "DELETE";
  /** Names in braces are parameters. */
  path: string;
  /** What a restricted key needs; absent: no restricted key may do this. */
  permission?: string;
  /** Refused to standard keys with the same 401 that a wrong password gets. */
  mainOnly?: boolean;
  handle(call: ApiCall, context: SimulatorContext): ApiAnswer;
}

export const ok = (body: Record<string, unknown>): ApiAnswer => ({ status: 200, body });
export const created = (body: Record<string, unknown>): ApiAnswer => ({ status: 201, body });
export const noContent: ApiAnswer = { status: 204 };
