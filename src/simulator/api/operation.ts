import type { Clock } from "../../clock.ts";
import type { Outbox } from "../messages/outbox.ts";
import type { Region } from "../state/region.ts";
import type { Account, ApiKey } from "../state/resources.ts";
import type { SimulatorState } from "../state/state.ts";

/** What every operation may use. */
export interface World {
  readonly state: SimulatorState;
  readonly clock: Clock;
  readonly allowLocalUrls: boolean;
  readonly outbox: Outbox;
  /** The simulator's own address, such as `http://127.0.0.1:4010`. */
  readonly url: string;
}

/** Who logged in: an account by its token, or one of its keys. */
export interface Principal {
  account: Account;
  key: ApiKey | undefined;
}

/** One authenticated call of the API. */
export interface Call {
  readonly region: Region;
  readonly principal: Principal;
  /** The account in the path; where the path has none, the one that logged in. */
  readonly account: Account;
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

export interface Answer {
  status: number;
  /** Sent as JSON; absent: an empty body. */
  body?: Record<string, unknown>;
  headers?: Record<string, string>;
}

export type Product = "api" | "messaging" | "conversations" | "accounts";

export interface Operation {
  /** The operation's id in Twilio's OpenAPI files. */
  name: string;
  product: Product;
  method: "GET" | "POST" | "DELETE";
  /** Names in braces are parameters. */
  path: string;
  /** What a restricted key needs; absent: no restricted key may do this. */
  permission?: string;
  /** Refused to standard keys with the same 401 that a wrong password gets. */
  mainOnly?: boolean;
  handle(call: Call, world: World): Answer;
}

export const ok = (body: Record<string, unknown>): Answer => ({ status: 200, body });
export const created = (body: Record<string, unknown>): Answer => ({ status: 201, body });
export const noContent: Answer = { status: 204 };
