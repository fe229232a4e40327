import { gunzipSync } from "node:zlib";
import { PackedList, packedText } from "./packed-list.ts";
import type { Route, RouteUrls, SignatureKey } from "./route.ts";
import { publicUrlOf, urlsUnder } from "./urls.ts";

/** The only key in the data of a Secret with compiled routes. */
const DATA_KEY = "routes.json.gz";
/**
 * The version of the format. Raise it for a change that older receivers would misread. Older receivers ignore fields that are only added.
 */
const FORMAT = 1;
/**
 * How many bytes are unpacked from a Secret at most: far more than the routes in a Secret of 1 MiB take. Without a limit a decompression
 * bomb could fill the memory.
 */
const LARGEST_UNPACKED = 64 * 1024 * 1024;

/**
 * A route as it is stored. Its field names are short, and URLs are left out where they follow from their base, since a Secret is small.
 */
interface Packed {
  ns: string;
  uid: string;
  s: string;
  ac: string;
  g: number;
  n: string[];
  u: (string | [string, string, string])[];
  k: [states: string, fingerprint: string, notAfterMs?: number][];
  c: string;
}

/** Makes the `data` of a Secret that holds these routes. The same routes give the same bytes, in whatever order they are given. */
export async function encodeShard(routes: readonly Route[]): Promise<Record<string, string>> {
  return await new ShardEncoder<Route>((route) => route).encode(routes);
}

type OrderedRoute = Pick<Route, "namespace" | "stream" | "accountSid" | "namespaceUid">;

/**
 * Encodes a shard again and again while its routes change. `S` is the type that a route is made from. Measured with 2,500 routes of one
 * token each, a route takes 138 bytes. The records of the controller take more, see ADR 13.
 */
export class ShardEncoder<S extends OrderedRoute> {
  readonly #routes: PackedList<S>;

  constructor(routeOf: (source: S) => Route | Promise<Route>) {
    this.#routes = new PackedList({
      // No name contains a NUL character, so these strings sort like the lists of their parts.
      orderOf: ({ namespace, stream, accountSid, namespaceUid }) =>
        `${namespace}\0${stream}\0${accountSid}\0${namespaceUid}`,
      textOf: async (source) => JSON.stringify(pack(await routeOf(source))),
    });
  }

  async encode(sources: readonly S[]): Promise<Record<string, string>> {
    const routes = await this.#routes.members(sources);
    return { [DATA_KEY]: packedText(`{"format":${FORMAT},"routes":[`, routes, "]}") };
  }
}

/**
 * Reads routes that `encodeShard` wrote, in this version or in a version that only added fields. Throws on anything else, without quoting
 * it.
 */
export function decodeShard(data: Record<string, string>): Route[] {
  const text = data[DATA_KEY];
  if (text === undefined) throw new Error(`the routing Secret has no key ${DATA_KEY}`);
  let shard: unknown;
  try {
    const bytes = gunzipSync(Buffer.from(text, "base64"), { maxOutputLength: LARGEST_UNPACKED });
    shard = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new Error("the routing Secret cannot be unpacked", { cause: error });
  }
  const { format, routes } = (shard ?? {}) as { format?: unknown; routes?: unknown };
  if (format !== FORMAT)
    throw new Error("the routing Secret was written by a version whose format this version cannot read");
  return array(routes, "routes").map(unpack);
}

function pack(route: Route): Packed {
  return {
    ns: route.namespace,
    uid: route.namespaceUid,
    s: route.stream,
    ac: route.accountSid,
    g: route.generation,
    n: route.numbers,
    u: route.urls.map((urls) => packUrls(route, urls)),
    k: route.keys.map(packKey),
    c: Buffer.from(route.checkKey).toString("base64"),
  };
}

function packKey({ inner, outer, fingerprint, notAfterMs }: SignatureKey): Packed["k"][number] {
  const states = Buffer.concat([inner, outer]).toString("base64");
  return notAfterMs === undefined ? [states, fingerprint] : [states, fingerprint, notAfterMs];
}

function unpack(value: unknown): Route {
  const { ns, uid, s, ac, g, n, u, k, c } = (value ?? {}) as Record<keyof Packed, unknown>;
  const route = {
    namespace: string(ns, "namespace"),
    namespaceUid: string(uid, "namespace UID"),
    stream: string(s, "stream"),
    accountSid: string(ac, "account SID"),
    generation: number(g, "generation"),
    numbers: array(n, "numbers").map((item) => string(item, "number")),
    checkKey: bytes(c, 32, "check key"),
  };
  const urls = array(u, "urls").map((item) => unpackUrls(route, item));
  return { ...route, urls, keys: array(k, "keys").map(unpackKey) };
}

function unpackKey(value: unknown): SignatureKey {
  const [states, fingerprint, notAfterMs] = array(value, "key");
  const both = bytes(states, 40, "signature states");
  return {
    inner: both.subarray(0, 20),
    outer: both.subarray(20),
    fingerprint: string(fingerprint, "fingerprint"),
    ...(notAfterMs === undefined ? {} : { notAfterMs: number(notAfterMs, "key's end") }),
  };
}

/** Makes the stored form of a stream's three URLs: only their base when all three follow from it, as is nearly always the case. */
function packUrls(
  { namespace, stream }: Pick<Route, "namespace" | "stream">,
  urls: RouteUrls,
): Packed["u"][number] {
  const base = publicUrlOf(urls.inbound, namespace, stream);
  const whole = base === undefined ? undefined : urlsUnder(base, namespace, stream);
  if (whole !== undefined && whole.fallback === urls.fallback && whole.status === urls.status)
    return base as string;
  return [urls.inbound, urls.fallback, urls.status];
}

function unpackUrls({ namespace, stream }: Pick<Route, "namespace" | "stream">, value: unknown): RouteUrls {
  if (typeof value === "string") return urlsUnder(value, namespace, stream);
  const [inbound, fallback, status] = array(value, "urls");
  return {
    inbound: string(inbound, "URL"),
    fallback: string(fallback, "URL"),
    status: string(status, "URL"),
  };
}

function string(value: unknown, what: string): string {
  if (typeof value !== "string") throw new Error(`the routing Secret has a route without a ${what}`);
  return value;
}

function number(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value))
    throw new Error(`the routing Secret has a route whose ${what} is not a number`);
  return value as number;
}

function array(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`the routing Secret has no list of ${what}`);
  return value;
}

function bytes(value: unknown, length: number, what: string): Uint8Array {
  const found = Buffer.from(string(value, what), "base64");
  if (found.length !== length)
    throw new Error(`the routing Secret has a route whose ${what} is not ${length} bytes`);
  return found;
}
