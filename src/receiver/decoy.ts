import { randomBytes } from "node:crypto";
import type { Route, RouteUrls, SignatureKey } from "../routes/route.ts";

const DECOY_URL = "https://nobody.example.com/inbound/namespace/stream-of-nobody";

/**
 * Makes a route that does not exist, against which requests for unknown paths are checked. Each pair of a token and a URL of a route costs
 * HMACs, and the time of a refusal must not tell which routes exist. So every refusal costs as many HMACs as the route with the most such
 * pairs. The keys of the decoy are random, and its URL is as long as a real one.
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
