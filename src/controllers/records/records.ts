import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { MultiMap } from "../../multimap.ts";
import { shardOf } from "../../routes/table.ts";
import { withoutFragment } from "../../twilio/connection-overrides.ts";
import { sameForReceiver } from "./compile.ts";
import type { ClaimRecord, RouteRecord, Shard } from "./record.ts";
import { routeKey } from "./record.ts";

/** Above this many bytes a shard takes no new route; a Secret may hold 1 MiB. */
export const SHARD_LIMIT_BYTES = 900 * 1024;
/** What a new route adds at the most, before the next writing measures it: a bound, not an average. */
const NEW_ROUTE_BYTES = 1500;
const COALESCE_MS = 250;
/** A write that took longer than this was not slow but stuck: a process that was frozen, an answer that never came. */
const LONGEST_PAUSE_MS = 2000;

/** Where the records are kept. */
export interface ShardStore {
  load(shard: number): Promise<Shard>;
  /** Durable when it resolves; gives the largest Secret's bytes. Writes only what differs. */
  save(shard: number, content: Shard): Promise<number>;
}

export interface RecordsOptions {
  store: ShardStore;
  shards: number;
  maxStreamsPerNamespace: number;
  clock: Clock;
}

/**
 * The controller's memory: routes and claims, in this process for reading, in Secrets for the next one. A change is applied at
 * once and durable when the promise of the mutation resolves; changes within 250 ms share one write.
 */
export class Records {
  readonly #options: RecordsOptions;
  readonly #routes = new Map<string, RouteRecord>();
  readonly #claims = new Map<string, ClaimRecord>();
  /** The same by shard: a write must not ask of every record where it belongs. */
  readonly #shards: { routes: Map<string, RouteRecord>; claims: Map<string, ClaimRecord> }[];
  /** Keys of routes by `namespaceUid/stream`, streams by namespace UID, and claims by the holder's UID: reconciles must not scan. */
  readonly #keysByStream = new MultiMap<string, string>();
  readonly #streamsByNamespace = new MultiMap<string, string>();
  readonly #sidByHolder = new Map<string, string>();
  readonly #sidsByStream = new MultiMap<string, string>();
  readonly #sidsByInboundUrl = new MultiMap<string, string>();
  /** Every inbound URL that some route has, or had while this process knew it. */
  readonly #inboundUrls = new Set<string>();
  /** Bytes of each shard as last written, and what routes added since may take. */
  readonly #measured: number[];
  readonly #reserved: number[];
  readonly #dirty = new Set<number>();
  #flushing: Promise<void> | undefined;
  #scheduled: Promise<void> | undefined;
  /** Before this no flush begins. */
  #nextFlushMs = Number.NEGATIVE_INFINITY;

  constructor(options: RecordsOptions) {
    this.#options = options;
    this.#shards = Array.from({ length: options.shards }, () => ({ routes: new Map(), claims: new Map() }));
    this.#measured = new Array(options.shards).fill(0);
    this.#reserved = new Array(options.shards).fill(0);
  }

  /**
   * Reads every shard; call before anything else, at the start of each term of leadership. `rewrite: false`: for who comes to
   * take records away, not to bring them up to date.
   */
  async load({ rewrite = true }: { rewrite?: boolean } = {}): Promise<void> {
    const shards = await Promise.all(this.#measured.map((_, shard) => this.#options.store.load(shard)));
    for (const map of [
      this.#routes,
      this.#claims,
      this.#keysByStream,
      this.#streamsByNamespace,
      this.#sidByHolder,
      this.#sidsByStream,
      this.#sidsByInboundUrl,
      ...this.#shards.flatMap(({ routes, claims }) => [routes, claims]),
    ])
      map.clear();
    for (const { routes, claims } of shards) {
      for (const route of routes) this.#indexRoute(route);
      for (const claim of claims) this.#indexClaim(claim);
    }
    if (!rewrite) return;
    // After a change of ROUTE_SHARDS records lie in other shards than they were read from: write all anew, once.
    for (let shard = 0; shard < this.#measured.length; shard++) this.#dirty.add(shard);
    await this.flush();
  }

  route(key: string): RouteRecord | undefined {
    return this.#routes.get(key);
  }
  routes(): IterableIterator<RouteRecord> {
    return this.#routes.values();
  }
  /** All routes of a stream, of any account; usually one. */
  routesOf(namespaceUid: string, stream: string): RouteRecord[] {
    const keys = this.#keysByStream.get(`${namespaceUid}/${stream}`);
    return keys.map((key) => this.#routes.get(key)!);
  }
  /** Is, or was, this one of our URLs? */
  hasInboundUrl(url: string): boolean {
    return this.#inboundUrls.has(url);
  }
  claim(phoneNumberSid: string): ClaimRecord | undefined {
    return this.#claims.get(phoneNumberSid);
  }
  claims(): IterableIterator<ClaimRecord> {
    return this.#claims.values();
  }
  /** The claim that this SmsNumber holds. */
  claimOf(uid: string): ClaimRecord | undefined {
    const sid = this.#sidByHolder.get(uid);
    return sid === undefined ? undefined : this.#claims.get(sid);
  }

  /** Does a number that we configured point at this inbound URL? */
  pointedAt(inbound: string): boolean {
    return this.#sidsByInboundUrl.count(inbound) > 0;
  }

  claimsOfStream(namespaceUid: string, stream: string): ClaimRecord[] {
    const sids = this.#sidsByStream.get(`${namespaceUid}/${stream}`);
    return sids.map((sid) => this.#claims.get(sid)!);
  }

  /**
   * Changes a route, or makes it where `change` gets undefined; `change` runs at once, so that two who change different parts
   * do not undo each other. The generation rises when the receiver's part differs. Throws RouteTableFull for a new route
   * without room; an existing one is always kept. Gives undefined when `change` does.
   */
  async updateRoute(
    key: string,
    where: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">,
    change: (before: RouteRecord | undefined) => RouteRecord | undefined,
  ): Promise<RouteRecord | undefined> {
    if (!this.#routes.has(key)) await this.#makeRoom(where);
    const before = this.#routes.get(key);
    const wanted = change(before);
    if (wanted === undefined) return undefined;
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(wanted)) {
      await this.settled();
      return before;
    }
    const generation =
      before === undefined
        ? wanted.generation
        : before.generation + (sameForReceiver(before, wanted) ? 0 : 1);
    const next = { ...wanted, generation };
    this.#indexRoute(next);
    await this.#changed(next.namespace, next.stream);
    return next;
  }

  async dropRoute(key: string): Promise<void> {
    const route = this.#routes.get(key);
    if (route === undefined) return;
    this.#routes.delete(key);
    this.#shardOf(route).routes.delete(key);
    const stream = `${route.namespaceUid}/${route.stream}`;
    this.#keysByStream.delete(stream, key);
    if (this.#keysByStream.count(stream) === 0)
      this.#streamsByNamespace.delete(route.namespaceUid, route.stream);
    await this.#changed(route.namespace, route.stream);
  }

  async putClaim(claim: ClaimRecord): Promise<void> {
    const before = this.#claims.get(claim.phoneNumberSid);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(claim)) return await this.settled();
    if (before !== undefined) this.#unindexClaim(before);
    this.#indexClaim(claim);
    if (before !== undefined && (before.namespace !== claim.namespace || before.stream !== claim.stream))
      this.#dirty.add(this.#shard(before.namespace, before.stream));
    await this.#changed(claim.namespace, claim.stream);
  }

  async dropClaim(phoneNumberSid: string): Promise<void> {
    const claim = this.#claims.get(phoneNumberSid);
    if (claim === undefined) return;
    this.#unindexClaim(claim);
    await this.#changed(claim.namespace, claim.stream);
  }

  /** Resolves when everything changed so far is durable. */
  async settled(): Promise<void> {
    if (this.#dirty.size > 0) await this.#schedule();
    else await this.#flushing;
  }

  /** Writes what is dirty now. Rejects, and keeps it dirty, when a Secret could not be written. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => {});
    this.#flushing = this.#write().finally(() => {
      this.#flushing = undefined;
    });
    await this.#flushing;
  }

  async #changed(namespace: string, stream: string) {
    this.#dirty.add(this.#shard(namespace, stream));
    await this.#schedule();
  }

  /** At once after a quiet time, else 250 ms after the last writing began; all changes until then share it. */
  #schedule(): Promise<void> {
    if (this.#scheduled === undefined) {
      const { clock } = this.#options;
      const wait = Math.max(0, this.#nextFlushMs - clock.monotonic());
      this.#scheduled = clock.sleep(wait).then(() => {
        this.#scheduled = undefined;
        return this.flush();
      });
    }
    return this.#scheduled;
  }

  async #write() {
    const shards = [...this.#dirty];
    this.#dirty.clear();
    const { clock } = this.#options;
    const began = clock.monotonic();
    this.#nextFlushMs = began + COALESCE_MS;
    const results = await Promise.allSettled(
      shards.map(async (shard) => {
        this.#reserved[shard] = 0;
        this.#measured[shard] = await this.#options.store.save(shard, this.#contentOf(shard));
      }),
    );
    // A busy API server is not asked to write whole shards back to back: at least half of the time is somebody else's.
    const took = Math.min(clock.monotonic() - began, LONGEST_PAUSE_MS);
    this.#nextFlushMs = Math.max(this.#nextFlushMs, clock.monotonic() + took);
    for (const [at, result] of results.entries())
      if (result.status === "rejected") this.#dirty.add(shards[at]!);
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #contentOf(shard: number): Shard {
    const { routes, claims } = this.#shards[shard]!;
    return { routes: [...routes.values()], claims: [...claims.values()] };
  }

  /** Reserves room for a new route. Many at once wait for the next writing, which measures what they really take. */
  async #makeRoom({
    namespace,
    stream,
    namespaceUid,
  }: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">) {
    const { maxStreamsPerNamespace } = this.#options;
    const streams = this.#streamsByNamespace;
    if (!streams.has(namespaceUid, stream) && streams.count(namespaceUid) >= maxStreamsPerNamespace)
      throw new Failure(
        "RouteTableFull",
        `the namespace has ${maxStreamsPerNamespace} WorkStreams already; raise MAX_STREAMS_PER_NAMESPACE`,
      );
    const shard = this.#shard(namespace, stream);
    while (this.#measured[shard]! + this.#reserved[shard]! + NEW_ROUTE_BYTES > SHARD_LIMIT_BYTES) {
      if (this.#reserved[shard] === 0)
        throw new Failure(
          "RouteTableFull",
          "the operator's routing Secret has no room for another route; raise ROUTE_SHARDS",
        );
      await this.settled();
    }
    this.#reserved[shard]! += NEW_ROUTE_BYTES;
  }

  #indexRoute(route: RouteRecord) {
    const key = routeKey(route);
    this.#routes.set(key, route);
    this.#shardOf(route).routes.set(key, route);
    for (const { inbound } of route.urls) this.#inboundUrls.add(inbound);
    this.#keysByStream.add(`${route.namespaceUid}/${route.stream}`, key);
    this.#streamsByNamespace.add(route.namespaceUid, route.stream);
  }

  #indexClaim(claim: ClaimRecord) {
    this.#claims.set(claim.phoneNumberSid, claim);
    this.#shardOf(claim).claims.set(claim.phoneNumberSid, claim);
    this.#sidByHolder.set(claim.uid, claim.phoneNumberSid);
    this.#sidsByStream.add(`${claim.namespaceUid}/${claim.stream}`, claim.phoneNumberSid);
    if (claim.configured !== undefined)
      this.#sidsByInboundUrl.add(withoutFragment(claim.configured.url), claim.phoneNumberSid);
  }

  #unindexClaim(claim: ClaimRecord) {
    this.#claims.delete(claim.phoneNumberSid);
    this.#shardOf(claim).claims.delete(claim.phoneNumberSid);
    this.#sidByHolder.delete(claim.uid);
    this.#sidsByStream.delete(`${claim.namespaceUid}/${claim.stream}`, claim.phoneNumberSid);
    if (claim.configured !== undefined)
      this.#sidsByInboundUrl.delete(withoutFragment(claim.configured.url), claim.phoneNumberSid);
  }

  #shardOf({ namespace, stream }: { namespace: string; stream: string }) {
    return this.#shards[this.#shard(namespace, stream)]!;
  }

  #shard(namespace: string, stream: string): number {
    return shardOf(namespace, stream, this.#options.shards);
  }
}
