/**
 * Turns records into the bytes of a Secret: gzipped JSON in buckets, so that after a change only one bucket is packed
 * again (ADR 13). The encoding is deterministic: equal records give equal bytes, so an unchanged Secret is never
 * written.
 */

import { gunzipSync } from "node:zlib";
import { PackedList, packedText } from "../../routes/packed-list.ts";
import { routeKey } from "../../routes/route.ts";
import type { ClaimRecord, OwedRecord, RouteRecord, Shard } from "./record.ts";

/**
 * The key in the data of the Secret. It contains the version of the format. A later format gets another key, and for
 * one release both keys are written. So an older version that is installed again finds the key that it knows.
 */
const KEY = "records.v1.json.gz";

/** Encodes a shard for callers that do so only once. The same records give the same bytes, whatever their order. */
export async function encodeRecords(shard: Shard): Promise<Record<string, string>> {
  return await new RecordsEncoder().encode(shard);
}

/**
 * Encodes a shard again and again as its records change. The encoder keeps what it has packed and recognises a changed
 * record by its identity. So a record must be replaced by a new object, never changed in place.
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
    // The list of owed numbers is left out when it is empty. Then the Secret has the same bytes as one written by a
    // release that did not have owed numbers yet.
    const owes = owed.length === 0 ? [] : ['"owed":[', packedOwed, "],"];
    return {
      [KEY]: packedText('{"claims":[', packedClaims, "],", ...owes, '"routes":[', packedRoutes, "]}"),
    };
  }
}

/** JSON with its keys sorted, so that equal values give equal texts. */
function jsonOf(value: unknown): string {
  return JSON.stringify(sortKeys(value));
}

/**
 * Decodes a shard. Without a Secret the shard is empty. Throws on any content that the operator did not write, because
 * a guess could lose claims.
 */
export function decodeRecords(data: Record<string, string> | undefined): Shard {
  const parsed = unpack(KEY, data) as Partial<Shard> | undefined;
  if (parsed === undefined) return { routes: [], claims: [] };
  const { routes, claims, owed } = parsed;
  if (!Array.isArray(routes) || !Array.isArray(claims)) throw new Error(`${KEY} holds no records`);
  // Without `owed` the Secret was written by an earlier release, or while no number was owed.
  return { routes, claims, ...(Array.isArray(owed) ? { owed } : {}) };
}

function unpack(key: string, data: Record<string, string> | undefined): unknown {
  const text = data?.[key];
  // A Secret of one megabyte that we wrote never unpacks to more than 64 MiB. With 64 MiB as the limit, a Secret that
  // an attacker wrote cannot fill the memory.
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
