import { randomBytes } from "node:crypto";
import type { Route, RouteUrls, SignatureKey } from "../routes/route.ts";

const DECOY_URL = "https://nobody.example.com/inbound/namespace/stream-of-nobody";

/**
 * Stands for every route that does not exist, and takes as long to refuse as the slowest of those that do: each token and each
 * URL that a route still has is one more HMAC, and the time of a refusal must not tell which names exist. Its keys are random,
 * its URL is of the form that the others have.
 */
export function decoyFor(paths: Iterable<readonly Route[]>): Route {
  let most = 1;
  let urls: RouteUrls = { inbound: DECOY_URL, fallback: DECOY_URL, status: DECOY_URL };
  for (const routes of paths) {
    const pairs = routes.reduce((sum, route) => sum + route.keys.length * route.urls.length, 0);
    most = Math.max(most, pairs);
    urls = routes[0]?.urls[0] ?? urls;
  }
  return {
    namespaceUid: "00000000-0000-0000-0000-000000000000",
    namespace: "nobody",
    stream: "nobody",
    accountSid: "",
    generation: 0,
    numbers: [],
    urls: [urls],
    keys: Array.from({ length: most }, randomKey),
    checkKey: randomBytes(32),
  };
}

const randomKey = (): SignatureKey => ({
  inner: randomBytes(20),
  outer: randomBytes(20),
  fingerprint: "",
});
