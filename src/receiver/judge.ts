import type { InboxRow } from "../inbox/rows.ts";
import type { Route } from "../routes/route.ts";
import { type ParsedTarget, parseTarget } from "../routes/urls.ts";
import { accountIn, type FieldsReader, type RequestFields, readFields } from "./fields.ts";
import { rowOf } from "./row.ts";
import { findSigner, findSignerInSteps, type Signed, type Signer } from "./signers.ts";

/** The reason why a request was refused, and the label of `smschannel_signature_failures_total`. The sender never learns it. */
export type RefusalReason = "unknownPath" | "unknownRoute" | "malformed" | "missing" | "mismatch" | "account";

/** The parts of a request that a judgement depends on. */
export interface ReceivedRequest {
  /** Path and query of the request as they were received. */
  target: string;
  /** The value of the X-Twilio-Signature header. */
  signature: string | undefined;
  body: Buffer;
  nowMs: number;
}

/** What to do with a request. `ignore` means that the request is signed but names no message, so there is nothing to store. */
export type Judgement =
  | { do: "store"; row: InboxRow; route: Route; fingerprint: string }
  | { do: "ignore"; route: Route; fingerprint: string }
  | { do: "refuse"; reason: RefusalReason; route?: Route };

/** The part of the route table that a judgement needs. */
export interface Routes {
  /** Finds the routes of a stream by its path, which has the form of `streamPath`. */
  find(path: string): readonly Route[];
  /** The route that stands in for unknown routes, see `decoyFor`. */
  readonly decoy: Route;
  /** True when a route belongs to this account. */
  hasAccount(accountSid: string): boolean;
}

/**
 * A body up to this size is read and hashed in one step. Nine of ten texts have less than 1 KiB. A larger body costs as much as several
 * texts, so it must pass `judgeUnread` and then waits in the slow lane.
 */
export const SMALL_BODY = 4 * 1024;

/**
 * Refuses a large body without reading it, if possible. Undefined when the body must be read. A request is refused when it has no signature
 * of the right form, or when it names an account without a route. The reason is the one that a full check would give. Known and unknown
 * paths are treated alike.
 */
export function judgeUnread(received: ReceivedRequest, table: Routes): Judgement | undefined {
  const { signature, body } = received;
  if (signature !== undefined && SIGNATURE.test(signature) && table.hasAccount(accountIn(body)))
    return undefined;
  const target = parseTarget(received.target);
  return refusal(received, target, target === undefined ? undefined : table.find(target.path)[0]);
}

/** The form of a signature: 20 bytes as base64. */
const SIGNATURE = /^[A-Za-z0-9+/]{27}=$/;

/** Decides what to do with a request whose body is small. The decision depends only on the request and on the routes. */
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
 * Decides like `judge`, but in steps, for a body that takes milliseconds: other requests are served in between. Yields the number of bytes
 * worked on in each step. `reader` must not read another body before the last step.
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

/** Everything that is known of a request before its signature is checked. */
interface Examined {
  received: ReceivedRequest;
  target: ParsedTarget | undefined;
  /** The first route of the path. Undefined for an unknown path. */
  first: Route | undefined;
  fields: RequestFields;
  /** The signature and all that is needed to check it. Undefined when the request has no signature. */
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
  // An unknown path is checked against the decoy, which costs the same work: the time must not tell which streams exist.
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

/** Makes the refusal of a request without a valid signature. */
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
  // Whoever has the token of one account must not be able to send texts in the name of another account.
  if (fields.get("AccountSid") !== route.accountSid) return { do: "refuse", reason: "account", route };
  const { kind, query } = target ?? NOWHERE;
  const row = rowOf({ kind, route, query, body: received.body, fields, signature });
  return row === undefined ? { do: "ignore", route, fingerprint } : { do: "store", row, route, fingerprint };
}

const NONE: readonly Route[] = [];
const NOWHERE: ParsedTarget = { kind: "inbound", path: "", query: undefined };
