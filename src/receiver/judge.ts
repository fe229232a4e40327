import type { InboxRow } from "../inbox/rows.ts";
import type { Route } from "../routes/route.ts";
import { type ParsedTarget, parseTarget } from "../routes/urls.ts";
import { accountIn, type FieldsReader, type RequestFields, readFields } from "./fields.ts";
import { rowOf } from "./row.ts";
import { findSigner, findSignerInSteps, type Signed, type Signer } from "./signers.ts";

/** Why a request is nobody's business: the label of `smschannel_signature_failures_total`. Never told to the sender. */
export type RefusalReason = "unknownPath" | "unknownRoute" | "malformed" | "missing" | "mismatch" | "account";

export interface ReceivedRequest {
  /** The request's target as received: path and query. */
  target: string;
  /** The X-Twilio-Signature header. */
  signature: string | undefined;
  body: Buffer;
  nowMs: number;
}

export type Judgement =
  | { do: "store"; row: InboxRow; route: Route; fingerprint: string }
  | { do: "ignore"; route: Route; fingerprint: string }
  | { do: "refuse"; reason: RefusalReason; route?: Route };

export interface Routes {
  /** `path` is `{namespace}/{stream}`. */
  find(path: string): readonly Route[];
  /** As slow to refuse as the slowest of them. */
  readonly decoy: Route;
  /** Has any of them this account? */
  hasAccount(accountSid: string): boolean;
}

/**
 * Up to this size a body is read and hashed at once: nine texts of ten are under 1 KiB. What is larger costs more than a few
 * texts, and has to pass `glance` and then wait its turn.
 */
export const SMALL_BODY = 4 * 1024;

/**
 * What can be said of a large body at no cost: undefined where it must be read to know more. Whoever signs for an account that
 * nobody here has, or sends what is no signature, is refused as if it had been tried; that holds for every path alike.
 */
export function judgeUnread(received: ReceivedRequest, table: Routes): Judgement | undefined {
  const { signature, body } = received;
  if (signature !== undefined && SIGNATURE.test(signature) && table.hasAccount(accountIn(body)))
    return undefined;
  const target = parseTarget(received.target);
  return refusal(received, target, target === undefined ? undefined : table.find(target.path)[0]);
}

/** 20 bytes as base64. */
const SIGNATURE = /^[A-Za-z0-9+/]{27}=$/;

/** Decides what a request is, from its bytes and the routes alone. For small bodies. */
export function judge(received: ReceivedRequest, table: Omit<Routes, "hasAccount">): Judgement {
  const fields = readFields(received.body);
  if (fields === undefined) return MALFORMED;
  const examined = examine(received, table, fields);
  return conclude(
    examined,
    examined.signed === undefined ? undefined : findSigner(examined.signed, table.decoy),
  );
}

/**
 * The same for a body that takes milliseconds: yields after each step how many bytes it has worked on, so that others get their
 * turn. `reader` must read nothing else meanwhile.
 */
export function* judgeInSteps(
  received: ReceivedRequest,
  table: Omit<Routes, "hasAccount">,
  reader: FieldsReader,
): Generator<number, Judgement> {
  const fields = reader.read(received.body);
  yield received.body.length;
  if (fields === undefined) return MALFORMED;
  const examined = examine(received, table, fields);
  const signer =
    examined.signed === undefined ? undefined : yield* findSignerInSteps(examined.signed, table.decoy);
  return conclude(examined, signer);
}

/** All that is known of a request before anybody is looked for who signed it. */
interface Examined {
  received: ReceivedRequest;
  target: ParsedTarget | undefined;
  /** Of the path. */
  first: Route | undefined;
  fields: RequestFields;
  /** Undefined without a signature. */
  signed: Signed | undefined;
}

function examine(
  received: ReceivedRequest,
  table: Omit<Routes, "hasAccount">,
  fields: RequestFields,
): Examined {
  const { signature, nowMs } = received;
  const target = parseTarget(received.target);
  const known = target === undefined ? NONE : table.find(target.path);
  // The same work for a path that nobody has: the time it takes must not tell which names exist.
  const routes = known.length > 0 ? known : [table.decoy];
  const { kind, query } = target ?? NOWHERE;
  const signed = signature === undefined ? undefined : { signature, kind, query, fields, routes, nowMs };
  return { received, target, first: known[0], fields, signed };
}

function conclude(examined: Examined, signer: Signer | undefined): Judgement {
  const { received, target, first } = examined;
  const { signature } = received;
  if (first === undefined || signer === undefined || signature === undefined)
    return refusal(received, target, first);
  return accept(examined, signature, signer);
}

/** What whoever signed nothing is refused for. */
function refusal(
  { signature }: ReceivedRequest,
  target: ParsedTarget | undefined,
  first: Route | undefined,
): Judgement {
  if (target === undefined) return { do: "refuse", reason: "unknownPath" };
  if (first === undefined) return { do: "refuse", reason: "unknownRoute" };
  return { do: "refuse", reason: signature === undefined ? "missing" : "mismatch", route: first };
}

const MALFORMED: Judgement = { do: "refuse", reason: "malformed" };

function accept(
  { received, target, fields }: Examined,
  signature: string,
  { route, fingerprint }: Signer,
): Judgement {
  // Whoever holds one account's token must not speak for another.
  if (fields.get("AccountSid") !== route.accountSid) return { do: "refuse", reason: "account", route };
  const { kind, query } = target ?? NOWHERE;
  const row = rowOf({ kind, route, query, body: received.body, fields, signature });
  return row === undefined ? { do: "ignore", route, fingerprint } : { do: "store", row, route, fingerprint };
}

const NONE: readonly Route[] = [];
const NOWHERE: ParsedTarget = { kind: "inbound", path: "", query: undefined };
