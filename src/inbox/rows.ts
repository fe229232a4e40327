import { createHash } from "node:crypto";

/** `raw` is what could not be stored as what it is. */
export type InboxKind = "inbound" | "fallback" | "status" | "unrouted" | "raw";

/** One verified request. Everything but `body` is short and clean: see src/receiver/row.ts. */
export interface InboxRow {
  kind: InboxKind;
  namespaceUid: string;
  stream: string;
  generation: number;
  accountSid: string;
  messageSid: string;
  /** Empty for texts; `delivered` or `failed:30003` for a status. With account and SID it makes the row unique. */
  event: string;
  ourNumber: string | null;
  customer: string | null;
  query: string | null;
  body: Buffer;
  /** The verified signature: the same for whatever bodies mean the same to Twilio's signature. Not stored. */
  signature: string;
}

/**
 * The order in which rows of a batch are inserted. Two replicas that got the same texts then wait for each other in the
 * same order, and neither is ended as a deadlock.
 */
export function inLockOrder(a: InboxRow, b: InboxRow): number {
  return (
    compare(a.accountSid, b.accountSid) || compare(a.messageSid, b.messageSid) || compare(a.event, b.event)
  );
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The same request with nothing in it that the request itself chose, but its bytes. Its key is what was signed, not its bytes:
 * what Twilio signs has no marks between fields, so that a request once seen can be cut anew in any number of ways.
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
