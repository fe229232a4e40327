import { describe, expect, test } from "vitest";
import { encodeShard } from "../routes/codec.ts";
import type { Route } from "../routes/route.ts";
import { signatureKey } from "../routes/signature-states.ts";
import { sign } from "../simulator/webhooks/sign.ts";
import { decoyFor } from "./decoy.ts";
import { judge } from "./judge.ts";
import { RouteTable } from "./route-table.ts";

const URL_OF_STREAM = "https://sms.example.com/inbound/team-a/support";
const ACCOUNT = "AC1";
const TOKEN = "token";

async function route(more: Partial<Route>): Promise<Route> {
  return {
    namespaceUid: "old",
    namespace: "team-a",
    stream: "support",
    accountSid: ACCOUNT,
    generation: 1,
    numbers: [],
    urls: [{ inbound: URL_OF_STREAM, fallback: `${URL_OF_STREAM}/f`, status: `${URL_OF_STREAM}/s` }],
    keys: [await signatureKey(TOKEN)],
    checkKey: Buffer.alloc(32, 1),
    ...more,
  };
}

const SID = `SM${"0".repeat(32)}`;

function judgementOf(routes: Route[], token = TOKEN, accountSid = ACCOUNT, messageSid = SID) {
  const fields: [string, string][] = [
    ["AccountSid", accountSid],
    ["MessageSid", messageSid],
    ["To", "+15005550006"],
    ["From", "+15555550100"],
  ];
  const body = Buffer.from(new URLSearchParams(fields).toString());
  const signature = sign(token, URL_OF_STREAM, fields);
  const judgement = judge(
    { target: "/inbound/team-a/support", signature, body, nowMs: 0 },
    { find: () => routes, decoy: decoyFor([routes]) },
  );
  if (judgement.do === "store") return `${judgement.row.kind} for ${judgement.route.namespaceUid}`;
  return judgement.do === "refuse" ? judgement.reason : judgement.do;
}

describe("when one path has several routes", () => {
  test("after a namespace was replaced, the route with the number gets the text, in whatever order the routes come", async () => {
    const [old, now] = [await route({}), await route({ namespaceUid: "new", numbers: ["15005550006"] })];
    expect(judgementOf([old, now])).toBe("inbound for new");
    expect(judgementOf([now, old])).toBe("inbound for new");
  });
  test("a text for a number of neither route is stored as unrouted", async () => {
    expect(judgementOf([await route({}), await route({ namespaceUid: "new" })])).toBe("unrouted for old");
  });
  test("after the account of a stream was changed, the texts of each account go to the route of that account", async () => {
    const keys = [await signatureKey("other")];
    const other = await route({ namespaceUid: "other", accountSid: "AC2", keys });
    expect(judgementOf([await route({}), other], "other", "AC2")).toBe("unrouted for other");
    expect(judgementOf([await route({}), other], "other", ACCOUNT)).toBe("account");
  });
});

describe("a MessageSid decides whether a request is stored as a message or as raw bytes", () => {
  const rows: Record<string, [sid: string, kind: string]> = {
    "the SID of a text": [SID, "unrouted"],
    "the SID of a picture message": [`MM${"f".repeat(32)}`, "unrouted"],
    // A signature covers names and values without separators. So this value has the signature of a text with the two fields
    // `MessageSid=SM…` and `NumMedia=0`: it is that text, sent for the second time.
    "a SID with the next field in it": [`${SID}NumMedia0`, "raw"],
    "a SID in capitals": [`SM${"F".repeat(32)}`, "raw"],
    "another kind of SID": [`CH${"0".repeat(32)}`, "raw"],
  };
  for (const [name, [sid, kind]] of Object.entries(rows))
    test(`${name}: ${kind === "raw" ? "raw bytes" : "a message"}`, async () =>
      expect(judgementOf([await route({})], TOKEN, ACCOUNT, sid)).toBe(`${kind} for old`));
});

describe("a refusal takes the same number of HMACs at every path", () => {
  /** Counts the HMACs that a text with a wrong signature costs. */
  async function cost(path: string): Promise<number> {
    let made = 0;
    const counted = (each: Route): Route => ({
      ...each,
      keys: each.keys.map(({ inner, outer, fingerprint }) => ({
        get inner() {
          made++;
          return inner;
        },
        outer,
        fingerprint,
      })),
    });
    const urls = [1, 2].map((i) => {
      const url = `https://sms${i}.example.com/inbound/team-a/moved`;
      return { inbound: url, fallback: url, status: url };
    });
    const keys = await Promise.all(["one", "two"].map(signatureKey));
    const routes = new Map([
      ["team-a/support", [await route({})]],
      ["team-a/moved", [await route({ urls, keys })]],
      ["team-a/rotated", [await route({ keys })]],
      ["team-a/expired", [await route({ keys: keys.map((key) => ({ ...key, notAfterMs: -1 })) })]],
      ["team-a/replaced", [await route({}), await route({ namespaceUid: "new" })]],
    ]);
    const decoy = counted(decoyFor(routes.values()));
    const table = { find: (name: string) => (routes.get(name) ?? []).map(counted), decoy };
    const received = { target: `/inbound/${path}`, signature: "no", body: Buffer.from("a=1"), nowMs: 0 };
    expect(judge(received, table).do).toBe("refuse");
    return made;
  }
  const paths = ["support", "moved", "rotated", "expired", "replaced", "nobody"].map(
    (name) => `team-a/${name}`,
  );
  test.each([...paths, "nowhere"])("%s", async (path) => {
    // There are two tokens and two URLs, and each URL is tried with and without its port.
    expect(await cost(path)).toBe(8);
  });
});

describe("the route table", () => {
  test("has only the newer generation of a route that two shards hold while the number of shards changes", async () => {
    const table = new RouteTable(2);
    table.replaceShard(0, await encodeShard([await route({ generation: 1 })]));
    expect(table.missing).toEqual([1]);
    table.replaceShard(1, await encodeShard([await route({ generation: 2 })]));
    expect(table.find("team-a/support").map(({ generation }) => generation)).toEqual([2]);
    expect([table.loaded, table.size]).toEqual([true, 1]);
  });
});
