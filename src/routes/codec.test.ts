import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { decodeShard, encodeShard } from "./codec.ts";
import type { Route } from "./route.ts";
import { signatureKey } from "./signature-states.ts";

async function route(i: number, more: Partial<Route> = {}): Promise<Route> {
  const [namespace, stream] = [`team-${i}`, `support-${i}`];
  const under = (base: string) => ({
    inbound: `${base}/inbound/${namespace}/${stream}`,
    fallback: `${base}/fallback/${namespace}/${stream}`,
    status: `${base}/status/${namespace}/${stream}`,
  });
  return {
    namespaceUid: crypto.randomUUID(),
    namespace,
    stream,
    accountSid: `AC${crypto.randomUUID().replaceAll("-", "")}`,
    generation: i,
    numbers: [`1425${1_000_000 + i}`],
    urls: [
      under("https://sms.example.com"),
      { ...under("https://a.example.com"), fallback: "https://b.example.com/x" },
    ],
    keys: [
      await signatureKey(`one ${i}`),
      { ...(await signatureKey(`two ${i}`)), notAfterMs: 1_800_000_000_000 },
    ],
    checkKey: new Uint8Array(Buffer.from(crypto.randomUUID().replaceAll("-", ""))),
    ...more,
  };
}

const same = (a: Route[], b: Route[]) => expect(comparable(a)).toEqual(comparable(b));
const comparable = (routes: Route[]) =>
  routes.map(({ keys, checkKey, ...rest }) => ({
    ...rest,
    checkKey: Buffer.from(checkKey).toString("hex"),
    keys: keys.map(({ inner, outer, ...key }) => ({
      ...key,
      inner: Buffer.from(inner).toString("hex"),
      outer: Buffer.from(outer).toString("hex"),
    })),
  }));

test("routes are the same after they were encoded and decoded, also when their URLs have different bases", async () => {
  const routes = [await route(1), await route(2, { numbers: [], urls: [], keys: [] })];
  same(decodeShard(await encodeShard(routes)), routes);
  expect(decodeShard(await encodeShard([]))).toEqual([]);
});

test("encodeShard gives the same bytes for the same routes in any order", async () => {
  const routes = await Promise.all([3, 1, 2].map((i) => route(i)));
  expect(await encodeShard(routes)).toEqual(await encodeShard(routes.toReversed()));
});

test("2,500 routes take less than 900 KiB, so they fit into a Secret", async () => {
  const routes = await Promise.all(Array.from({ length: 2500 }, (_, i) => route(i)));
  const bytes = Object.values(await encodeShard(routes)).reduce(
    (sum, text) => sum + Buffer.from(text, "base64").length,
    0,
  );
  expect(bytes).toBeLessThan(900 * 1024);
});

test("decodeShard ignores fields that a newer version added", async () => {
  const [[key, text]] = Object.entries(await encodeShard([await route(1)])) as [[string, string]];
  const shard = JSON.parse(gunzipSync(Buffer.from(text, "base64")).toString());
  shard.more = true;
  shard.routes[0].more = { any: "thing" };
  const newer = { [key]: gzipSync(JSON.stringify(shard)).toString("base64"), more: "" };
  expect(decodeShard(newer)).toHaveLength(1);
});

const packed = (value: unknown) => ({ "routes.json.gz": gzipSync(JSON.stringify(value)).toString("base64") });
const garbage: Record<string, Record<string, string>> = {
  "no data": {},
  "data that is not gzip": { "routes.json.gz": "aGVsbG8=" },
  "a format that is not known": packed({ format: 2, routes: [] }),
  "data that has no list of routes": packed({ format: 1 }),
  "a route without a stream": packed({ format: 1, routes: [{ ns: "a" }] }),
  "null in place of the format and the routes": packed(null),
};
for (const [name, data] of Object.entries(garbage))
  test(`decodeShard refuses a Secret with ${name}`, () =>
    expect(() => decodeShard(data)).toThrow(/routing Secret/));

test("the error of decodeShard does not quote the content of the Secret", () => {
  try {
    decodeShard({ "routes.json.gz": gzipSync("not json: secret").toString("base64") });
  } catch (error) {
    expect((error as Error).message).not.toContain("secret:");
  }
});
