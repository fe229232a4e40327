import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";
import type { ClaimRecord, RouteRecord, Shard } from "./record.ts";
import { routeKey } from "./record.ts";

/** The Secret's key. The number in it is the format's: a later format gets another key and is written beside this one for a release. */
const KEY = "records.v1.json.gz";

const compress = promisify(gzip) as (text: string, options: { level: number }) => Promise<Buffer>;

/** Deterministic: the same records give the same bytes, so that an unchanged Secret is never written. */
export async function encodeRecords(shard: Shard): Promise<Record<string, string>> {
  const routes = shard.routes.map((route) => ({ order: routeKey(route), text: textOf(route) }));
  const claims = shard.claims.map((claim) => ({ order: claim.phoneNumberSid, text: textOf(claim) }));
  return await pack(KEY, `{"claims":${listOf(claims)},"routes":${listOf(routes)}}`);
}

/** Records are replaced, never changed: each is put into words once, however often its shard is written. */
const texts = new WeakMap<object, string>();

function textOf(record: object): string {
  let text = texts.get(record);
  if (text === undefined) {
    text = jsonOf(record);
    texts.set(record, text);
  }
  return text;
}

/** JSON with its keys in one order: equal values give equal texts. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(sortKeys(value));
}

/** A JSON list of texts that are JSON already, in a fixed order. */
export function listOf(items: { order: string; text: string }[]): string {
  const sorted = items.toSorted((a, b) => compare(a.order, b.order));
  return `[${sorted.map(({ text }) => text).join(",")}]`;
}

/** An empty Secret is an empty shard. Throws on anything that it did not write: guessing would lose claims. */
export function decodeRecords(data: Record<string, string> | undefined): Shard {
  const parsed = unpack(KEY, data) as { routes?: RouteRecord[]; claims?: ClaimRecord[] } | undefined;
  if (parsed === undefined) return { routes: [], claims: [] };
  if (!Array.isArray(parsed.routes) || !Array.isArray(parsed.claims))
    throw new Error(`${KEY} holds no records`);
  return { routes: parsed.routes, claims: parsed.claims };
}

/**
 * JSON, compressed, as a Secret's data; off this thread, since a full shard takes a while. gzip's header carries no time, so
 * that equal texts give equal bytes.
 */
export async function pack(key: string, json: string): Promise<Record<string, string>> {
  return { [key]: (await compress(json, { level: 6 })).toString("base64") };
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
