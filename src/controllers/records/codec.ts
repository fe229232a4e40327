/**
 * How records become the bytes of a Secret. Gzipped JSON, packed in buckets so that a change costs only its own
 * bucket (ADR 13), and deterministic, so that equal records give equal bytes and an unchanged Secret is never
 * written.
 */

import { gunzipSync } from "node:zlib";
import { PackedList, packedText } from "../../routes/packed-list.ts";
import { routeKey } from "../../routes/route.ts";
import type { ClaimRecord, OwedRecord, RouteRecord, Shard } from "./record.ts";

/**
 * The Secret's key. The number in it is the format's: a later format gets another key and is written beside this
 * one for a release, so that a downgrade finds its own.
 */
const KEY = "records.v1.json.gz";

/** Encodes a shard once. The same records give the same bytes, whatever their order. */
export async function encodeRecords(shard: Shard): Promise<Record<string, string>> {
  return await new RecordsEncoder().encode(shard);
}

/**
 * Encodes a shard again and again as its records change. It keeps what it has packed and recognises a change by
 * identity, so records must be replaced, never changed.
 */
export class RecordsEncoder {
  readonly #claims = new PackedList<ClaimRecord>({
    orderOf: ({ phoneNumberSid }) => phoneNumberSid,
    textOf: jsonOf,
  });
  readonly #owed = new PackedList<OwedRecord>({
    orderOf: ({ phoneNumberSid }) => phoneNumberSid,
    textOf: jsonOf,
  });
  readonly #routes = new PackedList<RouteRecord>({ orderOf: routeKey, textOf: jsonOf });

  async encode({ routes, claims, owed = [] }: Shard): Promise<Record<string, string>> {
    const [packedClaims, packedOwed, packedRoutes] = await Promise.all([
      this.#claims.members(claims),
      this.#owed.members(owed),
      this.#routes.members(routes),
    ]);
    // Left out when empty, so that most Secrets stay byte for byte what a release without owed numbers writes.
    const owes = owed.length === 0 ? [] : ['"owed":[', packedOwed, "],"];
    return {
      [KEY]: packedText('{"claims":[', packedClaims, "],", ...owes, '"routes":[', packedRoutes, "]}"),
    };
  }
}

/** JSON with its keys in one order: equal values give equal texts. */
function jsonOf(value: unknown): string {
  return JSON.stringify(sortKeys(value));
}

/**
 * Decodes a shard; no Secret is an empty shard. Throws on anything that we did not write: guessing would lose
 * claims.
 */
export function decodeRecords(data: Record<string, string> | undefined): Shard {
  const parsed = unpack(KEY, data) as Partial<Shard> | undefined;
  if (parsed === undefined) return { routes: [], claims: [] };
  const { routes, claims, owed } = parsed;
  if (!Array.isArray(routes) || !Array.isArray(claims)) throw new Error(`${KEY} holds no records`);
  // An earlier release wrote no list of owed numbers.
  return { routes, claims, ...(Array.isArray(owed) ? { owed } : {}) };
}

function unpack(key: string, data: Record<string, string> | undefined): unknown {
  const text = data?.[key];
  // A Secret of one megabyte cannot honestly unpack to more than this. The bound keeps a crafted one from filling
  // the memory.
  return text === undefined
    ? undefined
    : JSON.parse(gunzipSync(Buffer.from(text, "base64"), { maxOutputLength: 64 * 2 ** 20 }).toString());
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => compare(a, b))
      .map(([key, item]) => [key, sortKeys(item)]),
  );
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
