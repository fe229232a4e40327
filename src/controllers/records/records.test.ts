import { beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { KubeError } from "../../kube/client/client.ts";
import { routeKey } from "../../routes/route.ts";
import { shardOf } from "../../routes/secrets.ts";
import { decodeRecords, encodeRecords } from "./codec.ts";
import type { ClaimRecord, OwedRecord, RouteRecord, Shard } from "./record.ts";
import { Records, SHARD_LIMIT_BYTES } from "./records.ts";

/** A store that keeps the shards encoded, as Secrets do. It can refuse writes, and counts them. */
class MemoryStore {
  readonly saved = new Map<number, Record<string, string>>();
  saves = 0;
  failures = 0;
  /** The shards whose writes fail, each with its error. */
  readonly broken = new Map<number, Error>();
  /** The shard whose writes never end, if any. */
  stuck: number | undefined;
  bytes = 1000;
  /** Each write waits for this promise. */
  gate: Promise<void> = Promise.resolve();
  async load(shard: number): Promise<Shard> {
    return decodeRecords(this.saved.get(shard));
  }
  async save(shard: number, content: Shard): Promise<number> {
    this.saves += 1;
    await this.gate;
    if (shard === this.stuck) await new Promise(() => {});
    if (this.broken.has(shard)) throw this.broken.get(shard)!;
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error("the api server is away");
    }
    this.saved.set(shard, await encodeRecords(content));
    return this.bytes;
  }
  invalidate() {}
}

const route = (more: Partial<RouteRecord> = {}): RouteRecord => ({
  namespace: "team",
  namespaceUid: "uid",
  stream: "support",
  accountSid: "AC1",
  credentials: { accountSid: "AC1", authToken: "secret" },
  tokens: [{ token: "secret" }],
  checkKey: "a2V5",
  urls: [{ inbound: "https://a/inbound/team/support", fallback: "f", status: "s" }],
  numbers: [],
  generation: 1,
  ...more,
});
const claim = (more: Partial<ClaimRecord> = {}): ClaimRecord => ({
  phoneNumberSid: "PN1",
  accountSid: "AC1",
  number: "14252306549",
  namespace: "team",
  namespaceUid: "uid",
  stream: "support",
  name: "line",
  uid: "number-uid",
  ...more,
});

const owed = (more: Partial<OwedRecord> = {}): OwedRecord => ({
  ...claim(),
  why: "TwilioUnauthorized",
  sinceMs: 5,
  ...more,
});

let store: MemoryStore;
let clock: ManualClock;
let records: Records;
/** The streams that were deleted, and the keys of the routes that were evicted. */
let deleted: Set<string>;
let forgotten: string[];
function fresh() {
  const made = new Records({
    store,
    shards: 4,
    maxStreamsPerNamespace: 3,
    clock,
    isLive: ({ stream }) => !deleted.has(stream),
  });
  made.onEvicted((key) => forgotten.push(key));
  return made;
}
/** Waits for `work` while the clock advances. */
const timed = async <T>(work: Promise<T>): Promise<T> => {
  work.catch(() => {});
  await clock.advance(1000);
  return await work;
};

beforeEach(async () => {
  store = new MemoryStore();
  clock = new ManualClock();
  deleted = new Set();
  forgotten = [];
  records = fresh();
  await timed(records.load());
  store.saves = 0;
});

describe("records", () => {
  test("are read back by the next process that leads", async () => {
    await timed(
      Promise.all([
        records.updateRoute(routeKey(route()), route(), () => route()),
        records.putClaim(claim()),
      ]),
    );
    const next = fresh();
    await timed(next.load());
    expect(next.route(routeKey(route()))).toEqual(route());
    expect(next.claimOf("number-uid")).toEqual(claim());
    expect(next.claimsOfStream("uid", "support")).toEqual([claim()]);
    expect(next.routesOf("uid", "support")).toHaveLength(1);
    expect(next.hasInboundUrl("https://a/inbound/team/support")).toBe(true);
  });

  test("are stored when the promise of a change resolves, and changes made at the same time share a write", async () => {
    await timed(records.putClaim(claim()));
    expect(store.saves).toBe(1);
    await timed(
      Promise.all(
        ["PN2", "PN3", "PN4"].map((phoneNumberSid) =>
          records.putClaim(claim({ phoneNumberSid, uid: phoneNumberSid })),
        ),
      ),
    );
    expect(store.saves).toBe(2);
  });

  test("a new token is written immediately, together with all changes of its shard that wait for a write", async () => {
    const key = routeKey(route());
    const change = (more: Partial<RouteRecord>) =>
      records.updateRoute(key, route(), (before) => ({ ...(before ?? route()), ...more }));
    await timed(change({}));
    expect(store.saves).toBe(1);
    await timed(change({ numbers: ["1"] }));
    const numbers = change({ numbers: ["2"] });
    await clock.advance(0);
    expect(store.saves, "a change of numbers waits for the pause").toBe(2);
    await Promise.all([numbers, change({ tokens: [{ token: "new" }, { token: "secret" }] })]);
    expect(store.saves).toBe(3);
    const ends = change({ tokens: [{ token: "new" }, { token: "secret", notAfterMs: 5 }] });
    await clock.advance(0);
    expect(store.saves, "the end of a token waits for the pause").toBe(3);
    await timed(ends);
  });

  test("storing an unchanged record again causes no write", async () => {
    await timed(records.putClaim(claim()));
    await timed(records.putClaim(claim()));
    expect(store.saves).toBe(1);
  });

  test("after a restored backup of the cluster every shard is written again", async () => {
    await timed(records.putClaim(claim()));
    store.saved.clear();
    expect(await timed(records.restored())).toEqual([]);
    const next = fresh();
    await timed(next.load({ rewrite: false }));
    expect(next.claim("PN1")).toEqual(claim());
    store.broken.set(shardOf("team", "support", 4), new Error("too large"));
    expect(await timed(records.restored())).toEqual([new Error("too large")]);
  });

  test("a failed write is reported to the caller that made the change, and the next attempt writes the change", async () => {
    store.failures = 1;
    await expect(timed(records.putClaim(claim()))).rejects.toThrow("away");
    await timed(records.putClaim(claim()));
    const next = fresh();
    await timed(next.load());
    expect(next.claimOf("number-uid")).toEqual(claim());
  });

  test("are settled only when the write under way has ended, even if it fails", async () => {
    const { save } = store;
    const answer = Promise.withResolvers<number>();
    store.save = () => answer.promise;
    const put = records.putClaim(claim());
    put.catch(() => {});
    let settled = false;
    await clock.advance(1);
    const waiting = records.settled().then(() => {
      settled = true;
    });
    await clock.advance(1000);
    expect(settled).toBe(false);
    answer.reject(new Error("no answer"));
    await waiting;
    await expect(put).rejects.toThrow("no answer");
    store.save = save;
    await records.settled();
  });

  test("after a write that was stuck for a minute, the next write waits for only two seconds", async () => {
    const stuck = Promise.withResolvers<void>();
    store.gate = stuck.promise;
    const first = records.putClaim(claim());
    await clock.advance(60_000);
    stuck.resolve();
    await first;
    const next = records.putClaim(claim({ phoneNumberSid: "PN2", uid: "PN2" }));
    await clock.advance(1999);
    expect(store.saves).toBe(1);
    await clock.advance(1);
    await next;
    expect(store.saves).toBe(2);
  });

  describe("while one shard cannot be written", () => {
    const broken = shardOf("team", "support", 4);
    const others = ["a", "b", "c", "d", "e"].filter((stream) => shardOf("team", stream, 4) !== broken);
    const other = claim({ phoneNumberSid: "PN2", uid: "PN2", stream: others[0]! });
    const tooLarge = new Error("too large");

    test("streams of other shards get no error", async () => {
      store.broken.set(broken, tooLarge);
      const failing = records.putClaim(claim());
      failing.catch(() => {});
      await timed(records.putClaim(other));
      await expect(failing).rejects.toThrow("too large");
      await timed(records.putClaim(other));
      await expect(timed(records.putClaim(claim()))).rejects.toThrow("too large");
      const next = fresh();
      await timed(next.load({ rewrite: false }));
      expect([...next.claims()]).toEqual([other]);
    });

    test("streams of other shards do not wait", async () => {
      store.stuck = broken;
      void records.putClaim(claim());
      await clock.advance(10_000);
      await timed(records.putClaim(other));
      expect(store.saved.size).toBe(4);
    });

    test("a change in another shard causes another write of the broken shard", async () => {
      store.broken.set(broken, tooLarge);
      await expect(timed(records.putClaim(claim()))).rejects.toThrow("too large");
      store.broken.clear();
      await timed(records.putClaim(other));
      expect(store.saves).toBe(3);
      await timed(records.durable(claim()));
      const next = fresh();
      await timed(next.load({ rewrite: false }));
      expect(next.claim("PN1")).toEqual(claim());
    });

    test("the next process that leads starts anyway and gets the error", async () => {
      await timed(Promise.all([records.putClaim(claim()), records.putClaim(other)]));
      store.broken.set(broken, tooLarge);
      const next = fresh();
      expect(await timed(next.load())).toEqual([tooLarge]);
      await timed(next.putClaim({ ...other, repairs: [1] }));
      expect(next.claim("PN1")).toEqual(claim());
    });

    test("loading fails with a conflict when another process wrote after the records were read", async () => {
      store.broken.set(broken, new KubeError("changed meanwhile", { status: 409, reason: "Conflict" }));
      await expect(timed(fresh().load())).rejects.toThrow("changed meanwhile");
    });

    test("only as many new routes are accepted as there is room for", async () => {
      store.bytes = SHARD_LIMIT_BYTES - 2000;
      await timed(records.putClaim(claim()));
      store.broken.set(broken, tooLarge);
      const add = (accountSid: string) =>
        timed(records.updateRoute(accountSid, route({ accountSid }), () => route({ accountSid })));
      await expect(add("AC1")).rejects.toThrow("too large");
      await expect(add("AC2")).rejects.toThrow("too large");
      expect([...records.routes()]).toHaveLength(1);
    });
  });

  test("when a stream moves to another account, its new route has a higher generation than its former route and is the newest", async () => {
    const change = (accountSid: string, more: Partial<RouteRecord>) =>
      timed(
        records.updateRoute(routeKey(route({ accountSid })), route(), (before) => ({
          ...(before ?? route({ accountSid })),
          ...more,
        })),
      );
    await change("AC1", {});
    await change("AC1", { numbers: ["1"] });
    await change("AC1", { numbers: ["1", "2"] });
    expect((await change("AC2", {}))?.generation).toBe(4);
    expect(records.newestRouteOf("uid", "support")?.accountSid).toBe("AC2");
  });

  test("a fallback URL on a host of its own is known as ours after another URL has replaced it", async () => {
    const former = { inbound: "https://a/inbound/team/support", fallback: "https://b/fallback/team/support" };
    const urls = (fallback: string) => [{ ...former, fallback, status: "https://a/status/team/support" }];
    await timed(
      records.updateRoute(routeKey(route()), route(), () => ({ ...route(), urls: urls(former.fallback) })),
    );
    await timed(
      records.updateRoute(routeKey(route()), route(), (before) => ({
        ...before!,
        urls: urls("https://c/fallback/team/support"),
      })),
    );
    const known = ["b", "c", "a", "d"].map((host) =>
      records.hasFallbackUrl(`https://${host}/fallback/team/support`),
    );
    // The fallback URL on host a counts as ours, because its host has our inbound URL of the same stream.
    expect(known).toEqual([true, true, true, false]);
  });

  test("a route's generation rises only when the part that the receiver gets changes", async () => {
    const key = routeKey(route());
    const change = (change: Partial<RouteRecord>) =>
      timed(records.updateRoute(key, route(), (before) => ({ ...(before ?? route()), ...change })));
    expect((await change({}))?.generation).toBe(1);
    expect((await change({ numbers: ["1"] }))?.generation).toBe(2);
    expect((await change({ unneededSinceMs: 5 }))?.generation).toBe(2);
    expect((await change({ tokens: [{ token: "secret", notAfterMs: 9 }] }))?.generation).toBe(3);
  });

  test("two callers that change different parts of a route do not undo each other", async () => {
    const key = routeKey(route());
    await timed(records.updateRoute(key, route(), () => route()));
    await timed(
      Promise.all([
        records.updateRoute(key, route(), (before) => ({ ...before!, numbers: ["1"] })),
        records.updateRoute(key, route(), (before) => ({ ...before!, tokens: [{ token: "new" }] })),
      ]),
    );
    expect(records.route(key)).toMatchObject({ numbers: ["1"], tokens: [{ token: "new" }] });
  });

  test("a dropped claim is removed from every index", async () => {
    const url = "https://a/inbound/team/support#ct=2000";
    await timed(records.putClaim(claim({ configured: { url, sinceMs: 1 } })));
    const pointedAt = () => records.pointedAt({ inbound: "https://a/inbound/team/support", fallback: "f" });
    expect(pointedAt()).toBe(true);
    await timed(records.dropClaim("PN1"));
    expect(records.claimOf("number-uid")).toBeUndefined();
    expect(records.claimsOfStream("uid", "support")).toEqual([]);
    expect(pointedAt()).toBe(false);
  });

  test("a number counts as pointed at exactly the inbound and fallback URL that its webhook was set to", async () => {
    const inbound = "https://a/inbound/team/support";
    const configured = { url: `${inbound}#ct=2000`, fallbackUrl: "https://b/fallback#ct=2000", sinceMs: 1 };
    await timed(records.putClaim(claim({ configured })));
    expect(records.pointedAt({ inbound, fallback: "https://b/fallback" })).toBe(true);
    expect(records.pointedAt({ inbound, fallback: "https://a/fallback" })).toBe(false);
    await timed(
      records.putClaim(claim({ configured: { ...configured, fallbackUrl: "https://a/fallback" } })),
    );
    expect(records.pointedAt({ inbound, fallback: "https://b/fallback" })).toBe(false);
  });

  test("an owed number counts as pointed at its URLs until its SmsNumber is gone", async () => {
    const inbound = "https://a/inbound/team/support";
    const configured = { url: `${inbound}#ct=2000`, fallbackUrl: "https://b/fallback", sinceMs: 1 };
    const pointedAt = (of: Records) => of.pointedAt({ inbound, fallback: "https://b/fallback" });
    await timed(records.putClaim(claim({ configured })));
    await timed(records.owe(owed({ configured })));
    expect(records.claim("PN1")).toBeUndefined();
    expect(pointedAt(records)).toBe(true);
    const next = fresh();
    await timed(next.load());
    expect(pointedAt(next)).toBe(true);
    await timed(records.owe(owed({ isGone: true, configured })));
    expect(pointedAt(records)).toBe(false);
    await timed(records.owe(owed({ configured })));
    await timed(records.dropOwed("PN1"));
    expect(pointedAt(records)).toBe(false);
  });

  test("a namespace at its limit of routes gets no new one, and can still change those that it has", async () => {
    const add = (stream: string) =>
      records.updateRoute(routeKey(route({ stream })), route({ stream }), () => route({ stream }));
    await timed(Promise.all([add("a"), add("b"), add("c")]));
    await expect(timed(add("d"))).rejects.toMatchObject({ reason: "RouteTableFull" });
    expect(
      (
        await timed(
          records.updateRoute(routeKey(route({ stream: "a" })), route({ stream: "a" }), (before) => ({
            ...before!,
            numbers: ["1"],
          })),
        )
      )?.numbers,
    ).toEqual(["1"]);
  });

  test("routes of deleted streams do not count as streams, and the oldest of them are evicted when there are more than the limit", async () => {
    const add = async (stream: string) =>
      await timed(
        records.updateRoute(routeKey(route({ stream })), route({ stream }), () => route({ stream })),
      );
    for (const generation of ["a", "b", "c"]) {
      const streams = [1, 2, 3].map((at) => `${generation}${at}`);
      for (const stream of streams) await add(stream);
      await expect(add("one-more")).rejects.toMatchObject({ reason: "RouteTableFull" });
      for (const stream of streams) deleted.add(stream);
    }
    await add("d1");
    const left = [...records.routes()].map(({ stream }) => stream).sort();
    expect(left).toEqual(["c1", "c2", "c3", "d1"]);
    expect(forgotten).toHaveLength(6);
    const next = fresh();
    await timed(next.load());
    expect([...next.routes()]).toHaveLength(4);
  });

  test("many new routes at the same time cannot exceed the limit of a namespace", async () => {
    const add = (stream: string) =>
      records.updateRoute(routeKey(route({ stream })), route({ stream }), () => route({ stream }));
    const results = await timed(Promise.allSettled(["a", "b", "c", "d"].map(add)));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  });

  test("a call of updateRoute that makes no route reserves no room", async () => {
    store.bytes = SHARD_LIMIT_BYTES - 2000;
    await timed(records.putClaim(claim()));
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    const writing = records.putClaim(claim({ name: "other" }));
    await clock.advance(1000);
    const nothing = await records.updateRoute(routeKey(route()), route(), () => undefined);
    expect(nothing).toBeUndefined();
    const made = records.updateRoute(routeKey(route()), route(), () => route());
    await clock.advance(0);
    // If the call that made no route had kept its reservation, the next call would wait for the write to end.
    expect(records.route(routeKey(route()))).toBeDefined();
    gate.resolve();
    await writing;
    await timed(made);
  });

  test("a full shard takes no new route until a write has measured that there is room again", async () => {
    store.bytes = SHARD_LIMIT_BYTES;
    await timed(records.putClaim(claim()));
    await expect(timed(records.updateRoute(routeKey(route()), route(), () => route()))).rejects.toMatchObject(
      { reason: "RouteTableFull" },
    );
    store.bytes = 1000;
    await timed(records.putClaim(claim({ name: "other" })));
    expect(await timed(records.updateRoute(routeKey(route()), route(), () => route()))).toBeDefined();
  });

  test("a full shard makes room by evicting routes of deleted streams", async () => {
    const shard = shardOf("team", "support", 4);
    const [former] = Array.from({ length: 30 }, (_, at) => `s${at}`).filter(
      (stream) => shardOf("team", stream, 4) === shard,
    );
    const where = route({ stream: former! });
    await timed(records.updateRoute(routeKey(where), where, () => where));
    store.bytes = SHARD_LIMIT_BYTES;
    await timed(records.putClaim(claim()));
    deleted.add(former!);
    store.bytes = 1000;
    const made = records.updateRoute(routeKey(route()), route(), () => route());
    // The first write measures the room that is left; the next write stores the new route.
    await timed(records.durable(route()));
    expect(await timed(made)).toBeDefined();
    expect(records.routesOf("uid", former!)).toEqual([]);
    expect(forgotten).toEqual([routeKey(where)]);
  });
});

describe("a number that was not given back", () => {
  const reread = async () => {
    const next = fresh();
    await timed(next.load());
    return next;
  };
  beforeEach(async () => {
    await timed(records.updateRoute(routeKey(route()), route(), () => route()));
    await timed(records.putClaim(claim()));
    await timed(records.owe(owed()));
  });

  test("is no longer held, and the next process that leads knows that it is owed", async () => {
    const next = await reread();
    expect(next.claim("PN1")).toBeUndefined();
    expect(next.claimOf("number-uid")).toBeUndefined();
    expect(next.owed("PN1")).toEqual(owed());
    expect(next.owedOf("number-uid")).toEqual([owed()]);
  });

  test("keeps its route, with the credentials, while its SmsNumber exists", async () => {
    expect(records.hasNumber(route())).toBe(true);
    expect(records.hasNumber(route({ accountSid: "AC2" }))).toBe(false);
    await timed(records.owe(owed({ isGone: true })));
    expect((await reread()).hasNumber(route())).toBe(false);
  });

  test("can be held by another SmsNumber, whose claim stays when the number is recorded as owed again", async () => {
    const other = claim({ uid: "other-uid", stream: "sales", name: "other" });
    await timed(records.putClaim(other));
    await timed(records.owe(owed({ isGone: true })));
    const next = await reread();
    expect(next.claim("PN1")).toEqual(other);
    expect(next.owed("PN1")).toEqual(owed({ isGone: true }));
  });

  test("is no longer recorded once it was given back", async () => {
    await timed(records.dropOwed("PN1"));
    const next = await reread();
    expect(next.allOwed()).toEqual([]);
    expect(next.owedOf("number-uid")).toEqual([]);
  });

  test("has its record in the shard of the SmsNumber that owes it now", async () => {
    for (const stream of ["sales", "billing", "care"]) await timed(records.owe(owed({ stream })));
    expect((await reread()).allOwed()).toEqual([owed({ stream: "care" })]);
  });
});

test("equal records give equal bytes, whatever their order", async () => {
  const a = await encodeRecords({
    routes: [route({ stream: "a" }), route({ stream: "b" })],
    claims: [claim()],
  });
  const b = await encodeRecords({
    routes: [route({ stream: "b" }), route({ stream: "a" })],
    claims: [{ ...claim() }],
  });
  expect(a).toEqual(b);
});

test("a damaged Secret is an error and does not count as an empty one", () => {
  expect(() => decodeRecords({ "records.v1.json.gz": "bm90IGd6aXA=" })).toThrow();
  expect(decodeRecords({})).toEqual({ routes: [], claims: [] });
});
