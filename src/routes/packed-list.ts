import { promisify } from "node:util";
import { gzip, gzipSync, type ZlibOptions } from "node:zlib";

/** Says how the values of a list are ordered and written. */
export interface Packing<T> {
  /**
   * Returns the string by which the values are sorted, which must be unique in the list. `orderOf` is called for each value that the
   * previous packing did not have, and for each value of a bucket that is compressed again.
   */
  orderOf(value: T): string;
  /**
   * Returns the value as JSON. Equal values must give equal texts. `textOf` is called only when the bucket of the value is compressed
   * again.
   */
  textOf(value: T): string | Promise<string>;
}

interface Bucket<T> {
  values: readonly T[];
  bytes: Buffer | undefined;
}

/** How many values a bucket has on average at most. That is enough to compress well, and few enough to compress again for each change. */
const PER_BUCKET = 32;

/** How many values removed in a row the comparison of two packings skips. If more were removed, later hashes are computed again. */
const MOST_REMOVED = 8;

const gzipped = promisify(gzip) as (text: string, options: ZlibOptions) => Promise<Buffer>;
/** Options that make zlib use small buffers. By default it takes a quarter of a megabyte to compress a few kilobytes. */
const SMALL: ZlibOptions = { level: 9, windowBits: 14, memLevel: 6 };

/**
 * Compresses a text and copies the result, because zlib returns a slice of a 16 KiB buffer. Keeping the slice would keep the whole buffer.
 */
async function compress(text: string): Promise<Buffer> {
  const bytes = await gzipped(text, SMALL);
  const exact = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(exact);
  return exact;
}

/**
 * A compressed JSON list that compresses again only what changed. Values are spread over buckets by a hash. Each bucket is a gzip member
 * of its own, and a gzip file may consist of several members (RFC 1952, 2.2). Callers must replace values and never change them in place,
 * because a bucket counts as changed only when it holds other objects than before. The bytes depend only on the values, not on their order.
 *
 * After a change of one route among 2,500, packing takes some five milliseconds. Compressing all of them again would take a hundred.
 */
export class PackedList<T extends object> {
  readonly #packing: Packing<T>;
  #buckets: Bucket<T>[] = [];
  /** The values of the last packing, and the hash of each. */
  #hashed: { values: readonly T[]; hashes: Uint32Array } = { values: [], hashes: new Uint32Array() };

  constructor(packing: Packing<T>) {
    this.#packing = packing;
  }

  /**
   * Packs the values, with commas between them and without brackets. Calls must not overlap: wait until one call has ended before the
   * next.
   */
  async members(values: readonly T[]): Promise<Buffer[]> {
    const count = bucketsFor(values.length);
    const groups: T[][] = Array.from({ length: count }, () => []);
    const hashes = this.#hashesOf(values);
    for (const [at, value] of values.entries()) groups[hashes[at]! & (count - 1)]!.push(value);
    const before = count === this.#buckets.length ? this.#buckets : [];
    const buckets: Bucket<T>[] = [];
    // The buckets are compressed one after the other: a thousand compressions at the same time would take more memory than all the routes.
    for (const [at, group] of groups.entries()) {
      const known = before[at];
      buckets.push(known !== undefined && sameValues(known.values, group) ? known : await this.#pack(group));
    }
    this.#buckets = buckets;
    const members = this.#buckets.flatMap(({ bytes }) => bytes ?? []);
    return members.flatMap((member, at) => (at === 0 ? [member] : [constant(","), member]));
  }

  /**
   * Computes only the hashes that are not known from the previous packing, about one for each change. Callers add values at the end,
   * replace values in their place, or remove a few, so nearly every value is found where it was before or close to it.
   */
  #hashesOf(values: readonly T[]): Uint32Array {
    const { values: before, hashes: known } = this.#hashed;
    const hashes = new Uint32Array(values.length);
    let next = 0;
    for (const [at, value] of values.entries()) {
      let found = next;
      while (found < next + MOST_REMOVED && before[found] !== value) found++;
      const isKnown = before[found] === value;
      hashes[at] = isKnown ? known[found]! : hashOf(this.#packing.orderOf(value));
      next = isKnown ? found + 1 : next + 1;
    }
    this.#hashed = { values, hashes };
    return hashes;
  }

  async #pack(values: readonly T[]): Promise<Bucket<T>> {
    if (values.length === 0) return { values, bytes: undefined };
    const written = await Promise.all(
      values.map(async (value) => ({
        order: this.#packing.orderOf(value),
        text: await this.#packing.textOf(value),
      })),
    );
    written.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));
    return { values, bytes: await compress(written.map(({ text }) => text).join(",")) };
  }
}

/** Joins the parts into one gzip file, in base64 as the data of a Secret needs it. */
export function packedText(...parts: (string | readonly Buffer[])[]): string {
  const members = parts.flatMap((part) => (typeof part === "string" ? [constant(part)] : part));
  return Buffer.concat(members).toString("base64");
}

/**
 * The compressed forms of brackets and commas, kept because they are always the same. The gzip header that Node writes holds no time, so
 * equal texts give equal bytes.
 */
const constants = new Map<string, Buffer>();

function constant(text: string): Buffer {
  let bytes = constants.get(text);
  if (bytes === undefined) {
    bytes = gzipSync(text);
    constants.set(text, bytes);
  }
  return bytes;
}

/** The number of buckets is a power of two: while the list grows, its values stay in their buckets until the number doubles. */
function bucketsFor(values: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(values / PER_BUCKET)));
}

function sameValues<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}

/** Hashes with FNV-1a and the last step of MurmurHash3. Without that step the low bits, which choose the bucket, are poorly mixed. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
