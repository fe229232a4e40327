/**
 * This file writes PostgreSQL's binary form of one-dimensional arrays. A batch of rows is sent to a prepared statement as one array per
 * column. In the text form, each body would have to be written as hex, escaped, and parsed by the server.
 */
const OID = { bytea: 17, int8: 20, text: 25 } as const;
/**
 * Size of the header of an array: number of dimensions, null flag, element type, and the length and lower bound of the only dimension.
 * Each of the five numbers takes 4 bytes.
 */
const HEADER = 20;

/**
 * Encodes strings as a text array. In most columns of a batch the same value repeats, so a value that equals the one before it is copied
 * and not encoded again.
 */
export function textArray(values: readonly (string | null)[]): Buffer {
  let size = HEADER + 4 * values.length;
  let last: string | null = null;
  let length = 0;
  for (const value of values) {
    if (value === null) continue;
    if (value !== last) length = Buffer.byteLength(value, "utf8");
    last = value;
    size += length;
  }
  const into = header(OID.text, values.length, size);
  let at = HEADER;
  let lastAt = 0;
  last = null;
  for (const value of values) {
    if (value === null) {
      at = into.writeInt32BE(-1, at);
      continue;
    }
    if (value !== last) length = into.write(value, at + 4, "utf8");
    else if (length > 0) into.copyWithin(at + 4, lastAt, lastAt + length);
    into.writeInt32BE(length, at);
    last = value;
    lastAt = at + 4;
    at += 4 + length;
  }
  return into;
}

/** Encodes byte strings as a bytea array. */
export function byteaArray(values: readonly Buffer[]): Buffer {
  let size = HEADER + 4 * values.length;
  for (const value of values) size += value.length;
  const into = header(OID.bytea, values.length, size);
  let at = HEADER;
  for (const value of values) {
    into.writeInt32BE(value.length, at);
    value.copy(into, at + 4);
    at += 4 + value.length;
  }
  return into;
}

/** Encodes numbers as an int8 array. Each number must be a safe integer. */
export function int8Array(values: readonly (number | null)[]): Buffer {
  const into = header(OID.int8, values.length, HEADER + 12 * values.length);
  let at = HEADER;
  for (const value of values) {
    at = into.writeInt32BE(value === null ? -1 : 8, at);
    if (value !== null) at = into.writeBigInt64BE(BigInt(value), at);
  }
  return into.subarray(0, at);
}

function header(oid: number, length: number, size: number): Buffer {
  const into = Buffer.allocUnsafe(size);
  into.writeInt32BE(1, 0);
  // The null flag is always 1, for "may hold nulls". The server accepts it also for an array without nulls, so we need not search for
  // nulls.
  into.writeInt32BE(1, 4);
  into.writeInt32BE(oid, 8);
  into.writeInt32BE(length, 12);
  into.writeInt32BE(1, 16);
  return into;
}
