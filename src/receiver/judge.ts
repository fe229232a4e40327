import type { InboxRow } from "../inbox/rows.ts";
import type { Route } from "../routes/route.ts";
import { type ParsedTarget, parseTarget } from "../routes/urls.ts";
import { accountIn, type Fields, type FieldsReader, readFields } from "./fields.ts";
import { rowOf } from "./row.ts";
import { findSigner, findSignerInSteps, type Signed, type Signer } from "./signers.ts";

/** Why a request is nobody's business: the label of `smschannel_signature_failures_total`. Never told to the sender. */
export type RefusalReason = "unknownPath" | "unknownRoute" | "malformed" | "missing" | "mismatch" | "account";

export interface Knock {
  /** The request's target as received: path and query. */
  target: string;
  /** The X-Twilio-Signature header. */
  signature: string | undefined;
  body: Buffer;
  nowMs: number;
}

export type Verdict =
  | { do: "store"; row: InboxRow; route: Route; fingerprint: string }
  | { do: "ignore"; route: Route; fingerprint: string }
  | { do: "refuse"; reason: RefusalReason; route?: Route };

export interface Routes {
  /** `path` is `{namespace}/{stream}`. */
  find(path: string): readonly Route[];
  /** As slow to refuse as the slowest of them. */
  readonly nobody: Route;
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
export function glance(knock: Knock, table: Routes): Verdict | undefined {
  const { signature, body } = knock;
  if (signature !== undefined && SIGNATURE.test(signature) && table.hasAccount(accountIn(body)))
    return undefined;
  const target = parseTarget(knock.target);
  return refusal(knock, target, target === undefined ? undefined : table.find(target.path)[0]);
}

/** 20 bytes as base64. */
const SIGNATURE = /^[A-Za-z0-9+/]{27}=$/;

/** Decides what a request is, from its bytes and the routes alone. For small bodies. */
export function judge(knock: Knock, table: Omit<Routes, "hasAccount">): Verdict {
  const fields = readFields(knock.body);
  if (fields === undefined) return MALFORMED;
  const ask = askOf(knock, table, fields);
  return conclude(ask, ask.signed === undefined ? undefined : findSigner(ask.signed, table.nobody));
}

/**
 * The same for a body that takes milliseconds: yields after each step how many bytes it has worked on, so that others get their
 * turn. `reader` must read nothing else meanwhile.
 */
export function* judgeInSteps(
  knock: Knock,
  table: Omit<Routes, "hasAccount">,
  reader: FieldsReader,
): Generator<number, Verdict> {
  const fields = reader.read(knock.body);
  yield knock.body.length;
  if (fields === undefined) return MALFORMED;
  const ask = askOf(knock, table, fields);
  const signer = ask.signed === undefined ? undefined : yield* findSignerInSteps(ask.signed, table.nobody);
  return conclude(ask, signer);
}

/** All that is known of a request before anybody is looked for who signed it. */
interface Ask {
  knock: Knock;
  target: ParsedTarget | undefined;
  /** Of the path. */
  first: Route | undefined;
  fields: Fields;
  /** Undefined without a signature. */
  signed: Signed | undefined;
}

function askOf(knock: Knock, table: Omit<Routes, "hasAccount">, fields: Fields): Ask {
  const { signature, nowMs } = knock;
  const target = parseTarget(knock.target);
  const known = target === undefined ? NONE : table.find(target.path);
  // The same work for a path that nobody has: the time it takes must not tell which names exist.
  const routes = known.length > 0 ? known : [table.nobody];
  const { kind, query } = target ?? NOWHERE;
  const signed = signature === undefined ? undefined : { signature, kind, query, fields, routes, nowMs };
  return { knock, target, first: known[0], fields, signed };
}

function conclude(ask: Ask, signer: Signer | undefined): Verdict {
  const { knock, target, first } = ask;
  const { signature } = knock;
  if (first === undefined || signer === undefined || signature === undefined)
    return refusal(knock, target, first);
  return accept(ask, signature, signer);
}

/** What whoever signed nothing is refused for. */
function refusal({ signature }: Knock, target: ParsedTarget | undefined, first: Route | undefined): Verdict {
  if (target === undefined) return { do: "refuse", reason: "unknownPath" };
  if (first === undefined) return { do: "refuse", reason: "unknownRoute" };
  return { do: "refuse", reason: signature === undefined ? "missing" : "mismatch", route: first };
}

const MALFORMED: Verdict = { do: "refuse", reason: "malformed" };

function accept({ knock, target, fields }: Ask, signature: string, { route, fingerprint }: Signer): Verdict {
  // Whoever holds one account's token must not speak for another.
  if (fields.get("AccountSid") !== route.accountSid) return { do: "refuse", reason: "account", route };
  const { kind, query } = target ?? NOWHERE;
  const row = rowOf({ kind, route, query, body: knock.body, fields, signature });
  return row === undefined ? { do: "ignore", route, fingerprint } : { do: "store", row, route, fingerprint };
}

const NONE: readonly Route[] = [];
const NOWHERE: ParsedTarget = { kind: "inbound", path: "", query: undefined };
