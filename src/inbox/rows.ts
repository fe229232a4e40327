import { createHash } from "node:crypto";

/** What kind of request a row holds. `raw` means that the request could only be stored as bytes. */
export type InboxKind = "inbound" | "fallback" | "status" | "unrouted" | "raw";

/** One verified request. All values but `body` are short and clean: src/receiver/row.ts makes them so. */
export interface InboxRow {
  kind: InboxKind;
  namespaceUid: string;
  stream: string;
  generation: number;
  accountSid: string;
  messageSid: string;
  /**
   * Empty for a text; `delivered` or `failed:30003` for a delivery status. Account, message SID and event together are the key of the row.
   */
  event: string;
  ourNumber: string | null;
  customer: string | null;
  query: string | null;
  body: Buffer;
  /** The verified signature, which is not stored. Two bodies have the same signature when Twilio signs the same bytes for them. */
  signature: string;
}

/**
 * Compares two rows by the order in which the rows of a batch are inserted. Two replicas that got the same texts then lock the rows in the
 * same order. In different orders they could deadlock, and PostgreSQL would abort one of them.
 */
export function inLockOrder(a: InboxRow, b: InboxRow): number {
  return (
    compare(a.accountSid, b.accountSid) || compare(a.messageSid, b.messageSid) || compare(a.event, b.event)
  );
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Makes the row that stores the same request as bytes, without any column whose value the request itself could choose. The key of the row
 * is made from the signature and not from the bytes. Twilio signs the fields without separators between them, so many other bodies have the
 * same signature, and with a key made from the bytes each of them would become another row.
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
