import { gunzipSync, gzipSync } from "node:zlib";
import type { ClaimRecord, RouteRecord, Shard } from "./record.ts";
import { routeKey } from "./record.ts";

/** The Secret's key. The number in it is the format's: a later format gets another key and is written beside this one for a release. */
const KEY = "records.v1.json.gz";

/** Deterministic: the same records give the same bytes, so that an unchanged Secret is never written. */
export function encodeRecords(shard: Shard): Record<string, string> {
  const routes = [...shard.routes].sort((a, b) => compare(routeKey(a), routeKey(b)));
  const claims = [...shard.claims].sort((a, b) => compare(a.phoneNumberSid, b.phoneNumberSid));
  return pack(KEY, { routes, claims });
}

/** An empty Secret is an empty shard. Throws on anything that it did not write: guessing would lose claims. */
export function decodeRecords(data: Record<string, string> | undefined): Shard {
  const parsed = unpack(KEY, data) as { routes?: RouteRecord[]; claims?: ClaimRecord[] } | undefined;
  if (parsed === undefined) return { routes: [], claims: [] };
  if (!Array.isArray(parsed.routes) || !Array.isArray(parsed.claims))
    throw new Error(`${KEY} holds no records`);
  return { routes: parsed.routes, claims: parsed.claims };
}

/** JSON, compressed, as a Secret's data. Keys are sorted and gzip's header carries no time, so that equal values give equal bytes. */
export function pack(key: string, value: unknown): Record<string, string> {
  return { [key]: gzipSync(JSON.stringify(sortKeys(value)), { level: 6 }).toString("base64") };
}

export function unpack(key: string, data: Record<string, string> | undefined): unknown {
  const text = data?.[key];
  // A megabyte of Secret cannot hold more than this honestly; anything larger is not ours.
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
