import { createHash } from "node:crypto";

/** `raw`: the request could only be stored as bytes. */
export type InboxKind = "inbound" | "fallback" | "status" | "unrouted" | "raw";

/** One verified request. All values but `body` are short and clean, see src/receiver/row.ts. */
export interface InboxRow {
  kind: InboxKind;
  namespaceUid: string;
  stream: string;
  generation: number;
  accountSid: string;
  messageSid: string;
  /** Empty for texts; `delivered` or `failed:30003` for a status. Account, SID and event together are the row's key. */
  event: string;
  ourNumber: string | null;
  customer: string | null;
  query: string | null;
  body: Buffer;
  /** The verified signature. Bodies over which Twilio signs the same bytes have the same one. Not stored. */
  signature: string;
}

/**
 * The order in which the rows of a batch are inserted. Two replicas that got the same texts then lock them in the same order, so that
 * PostgreSQL need not end one of them as a deadlock.
 */
export function inLockOrder(a: InboxRow, b: InboxRow): number {
  return (
    compare(a.accountSid, b.accountSid) || compare(a.messageSid, b.messageSid) || compare(a.event, b.event)
  );
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The same request, with its bytes but no column that the request itself could choose. Its key is made from the signature and not
 * from the bytes: what Twilio signs has no separators between fields, so that the same signature fits many other bodies.
 */
export function asRaw(row: InboxRow): InboxRow {
  return {
    ...row,
    kind: "raw",
    messageSid: `sha256:${createHash("sha256").update(row.signature).digest("hex")}`,
    event: row.kind,
    ourNumber: null,
    customer: null,
    query: null,
  };
}
