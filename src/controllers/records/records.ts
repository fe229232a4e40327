/**
 * The durable memory of the operator (ADR 13). It holds what cannot be seen again after a restart: tokens that were
 * accepted a minute ago, URLs that were set at Twilio, which SmsNumber holds which number, and which numbers are
 * owed. The status of objects cannot hold this, because users may write to a status and a token must not appear
 * there.
 *
 * The records are spread over ROUTE_SHARDS shards by namespace and stream, since a Secret holds 1 MiB. There is an
 * index for each lookup, because a reconcile must not scan ten thousand records.
 */

import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { KubeError } from "../../kube/client/client.ts";
import { MultiMap } from "../../multimap.ts";
import { routeKey } from "../../routes/route.ts";
import { shardOf } from "../../routes/secrets.ts";
import { inboundBeside } from "../../routes/urls.ts";
import { sameForReceiver } from "./compile.ts";
import { configuredKey, urlsKey } from "./configured.ts";
import { OwedNumbers } from "./owed-numbers.ts";
import { PacedWrite } from "./paced-write.ts";
import type { ClaimRecord, OwedRecord, RouteRecord, Shard, UrlRecord } from "./record.ts";
import { evictedForRoom, type RouteStanding, roomInNamespace } from "./room.ts";

/**
 * A shard that is larger than this takes no new route. A Secret may hold 1 MiB; the difference is for routes that grow,
 * by a second token in a rotation or by a former URL.
 */
export const SHARD_LIMIT_BYTES = 900 * 1024;
/**
 * How many bytes a new route is assumed to add until the next write has measured the shard. This is an upper bound, not
 * an average: a route with its claim takes about 243 bytes after compression.
 */
const NEW_ROUTE_BYTES = 1500;

/** The storage of the records. A test uses a map in its place. */
export interface ShardStore {
  /**
   * Reads a shard. Throws unless it can return everything that is stored, because the next `save` would overwrite what
   * was not returned.
   */
  load(shard: number): Promise<Shard>;
  /**
   * Stores the content of a shard. Once it is durable, the promise resolves with the size of the shard's largest Secret
   * in bytes. Writes only what differs from the last write.
   */
  save(shard: number, content: Shard): Promise<number>;
  /**
   * Drops what is known of the stored content, so that the next `save` reads it again. Needed when the stored content
   * may have changed.
   */
  invalidate(): void;
}

/** Where the records are kept, and how many there may be. */
export interface RecordsOptions {
  store: ShardStore;
  shards: number;
  /** MAX_STREAMS_PER_NAMESPACE. It keeps one tenant from filling the shards, which all tenants share. */
  maxStreamsPerNamespace: number;
  clock: Clock;
  /**
   * Whether the stream of the route exists and uses the route. Routes of former streams stay for an hour and do not
   * count as streams.
   */
  isLive(route: RouteRecord): boolean;
}

/** One shard of the records, and what is known of the size of its Secrets. */
interface ShardState {
  routes: Map<string, RouteRecord>;
  claims: Map<string, ClaimRecord>;
  /** The bytes of the largest Secret when the shard was last written. */
  measured: number;
  /**
   * The bytes that the routes added since the last write may take (`reserved`), and how many routes were removed since
   * that write (`left`). The next write shows how much room there really is.
   */
  reserved: number;
  left: number;
  write: PacedWrite;
}

/**
 * The fields that decide the shard of a record. A claim is in the same shard as its route, so that one write changes
 * both.
 */
type ShardPlace = Pick<RouteRecord, "namespace" | "stream">;

/**
 * Routes, claims and owed numbers. A change applies in memory immediately, and is durable when the promise of the
 * method that makes it resolves. Await that promise before you change something at Twilio or a status. Changes within
 * 250 ms share one write. Each shard is written separately, so a shard that cannot be written does not delay streams of
 * other shards. A record is replaced by a new object, never changed in place: encoders and indexes recognise a change
 * by identity (ADR 21).
 */
export class Records {
  readonly #options: RecordsOptions;
  readonly #routes = new Map<string, RouteRecord>();
  readonly #claims = new Map<string, ClaimRecord>();
  readonly #owed = new OwedNumbers();
  /** Routes and claims by shard, so that a write does not have to compute the shard of every record. */
  readonly #shards: ShardState[];
  /**
   * The indexes. The keys of routes are indexed by `namespaceUid/stream` and by namespace UID. The SIDs of claimed
   * numbers are indexed by the UID of the holder, by stream and by URLs.
   */
  readonly #keysByStream = new MultiMap<string, string>();
  readonly #keysByNamespace = new MultiMap<string, string>();
  readonly #sidByHolder = new Map<string, string>();
  readonly #sidsByStream = new MultiMap<string, string>();
  readonly #sidsByUrls = new MultiMap<string, string>();
  /**
   * Every inbound URL that a route has, or had while this process knew it. URLs are never removed, because a webhook
   * that still has a former URL is ours.
   */
  readonly #inboundUrls = new Set<string>();
  /**
   * Every fallback URL that a route has, or had while this process knew it, if its own host has no inbound URL of the
   * stream. There are few such URLs. All other fallback URLs are left out to save memory: `hasFallbackUrl` finds them
   * by the inbound URLs on the same host.
   */
  readonly #fallbackUrls = new Set<string>();
  readonly #evictionListeners: ((key: string) => void)[] = [];

  constructor(options: RecordsOptions) {
    this.#options = options;
    this.#shards = Array.from({ length: options.shards }, (_, shard) => ({
      routes: new Map(),
      claims: new Map(),
      measured: 0,
      reserved: 0,
      left: 0,
      write: new PacedWrite(() => this.#save(shard), options.clock),
    }));
  }

  /**
   * Reads every shard, and then writes the shards that changed, because a change of ROUTE_SHARDS moves records to other
   * shards. Call `load` before any other method, at the start of each term of leadership. Resolves with the errors of
   * shards that could not be written. Streams of such a shard fail when they change something; streams of other shards
   * are not affected.
   * - `rewrite: false` skips the writes. `smschannel release` uses it, because it removes the records anyway.
   * - If `signal` aborts during the read, what is in memory stays.
   */
  async load({
    rewrite = true,
    signal,
  }: {
    rewrite?: boolean;
    signal?: AbortSignal;
  } = {}): Promise<unknown[]> {
    const shards = await Promise.all(this.#shards.map((_, shard) => this.#options.store.load(shard)));
    // An answer that comes after the end of the term is dropped: the next term may have read and changed more recent
    // records.
    signal?.throwIfAborted();
    for (const map of [
      this.#routes,
      this.#claims,
      this.#owed,
      this.#keysByStream,
      this.#keysByNamespace,
      this.#sidByHolder,
      this.#sidsByStream,
      this.#sidsByUrls,
      ...this.#shards.flatMap(({ routes, claims }) => [routes, claims]),
    ])
      map.clear();
    for (const { routes, claims, owed = [] } of shards) {
      for (const route of routes) this.#indexRoute(route);
      for (const claim of claims) this.#indexClaim(claim);
      for (const record of owed) this.#owed.put(record);
    }
    if (!rewrite) return [];
    // After a change of ROUTE_SHARDS some records belong in other shards than they were read from. Writing all shards
    // once moves these records. A shard that did not change is not written.
    const problems = await this.#rewrite();
    // A conflict means that another process wrote after this process had read: a former leader that did not know yet
    // that it lost the Lease. The records in memory are old, so the caller must read again.
    const conflict = problems.find((problem) => problem instanceof KubeError && problem.status === 409);
    if (conflict !== undefined) throw conflict;
    return problems;
  }

  /**
   * Compares each Secret with the records in memory, and writes the Secrets that differ. Call this after a backup of
   * the cluster was restored, when the Secrets may be older than the last write (ADR 23). Then the memory is right and
   * the Secret wrong: Twilio was not set back, and the memory knows what was set there. Resolves with the errors of
   * shards that could not be written.
   */
  async restored(): Promise<unknown[]> {
    this.#options.store.invalidate();
    return await this.#rewrite();
  }

  async #rewrite(): Promise<unknown[]> {
    const results = await Promise.allSettled(this.#shards.map(({ write }) => write.changed()));
    return results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  }

  /**
   * The listener is called with the key of each former route that is evicted because the route of an existing stream
   * needed the room.
   */
  onEvicted(listener: (key: string) => void) {
    this.#evictionListeners.push(listener);
  }

  /** The route of this key as it is in memory, which may not be durable yet. */
  route(key: string): RouteRecord | undefined {
    return this.#routes.get(key);
  }
  routes(): IterableIterator<RouteRecord> {
    return this.#routes.values();
  }
  /** All routes of a stream: one for each account that it has used, and usually just one. */
  routesOf(namespaceUid: string, stream: string): RouteRecord[] {
    const keys = this.#keysByStream.get(`${namespaceUid}/${stream}`);
    return keys.map((key) => this.#routes.get(key)!);
  }
  /** The route of the account that the stream used last. */
  newestRouteOf(namespaceUid: string, stream: string): RouteRecord | undefined {
    return this.routesOf(namespaceUid, stream).reduce<RouteRecord | undefined>(
      (best, route) => (best === undefined || route.generation > best.generation ? route : best),
      undefined,
    );
  }
  /** Whether this URL is or was the inbound URL of one of our routes. */
  hasInboundUrl(url: string): boolean {
    return this.#inboundUrls.has(url);
  }
  /** Whether this URL is or was the fallback URL of one of our routes. */
  hasFallbackUrl(url: string): boolean {
    return this.#fallbackUrls.has(url) || this.#inboundUrls.has(inboundBeside(url));
  }
  claim(phoneNumberSid: string): ClaimRecord | undefined {
    return this.#claims.get(phoneNumberSid);
  }
  claims(): IterableIterator<ClaimRecord> {
    return this.#claims.values();
  }
  /** The claim that this SmsNumber holds. Claims are indexed by holder because every attempt looks one up. */
  claimOf(uid: string): ClaimRecord | undefined {
    const sid = this.#sidByHolder.get(uid);
    return sid === undefined ? undefined : this.#claims.get(sid);
  }

  /** The record of this number if it is owed: nobody holds it, and it was not given back. */
  owed(phoneNumberSid: string): OwedRecord | undefined {
    return this.#owed.get(phoneNumberSid);
  }
  allOwed(): OwedRecord[] {
    return this.#owed.all();
  }
  /** The numbers that this SmsNumber held and did not give back. */
  owedOf(uid: string): OwedRecord[] {
    return this.#owed.ofHolder(uid);
  }

  /**
   * Whether a number of this route still leads to us, or waits to be given back. If so, the route and its credentials
   * must be kept.
   */
  hasNumber({
    namespaceUid,
    stream,
    accountSid,
  }: Pick<RouteRecord, "namespaceUid" | "stream" | "accountSid">) {
    const owed = this.#owed.ofStream(namespaceUid, stream).filter(({ isGone }) => isGone !== true);
    return [...this.claimsOfStream(namespaceUid, stream), ...owed].some(
      (each) => each.accountSid === accountSid,
    );
  }

  /**
   * Whether a number that we configured points at these URLs. If so, the receivers must go on accepting texts there. A
   * number whose fallback URL is not known (an older record) counts by its inbound URL alone. An owed number counts as
   * long as its SmsNumber may still give it back.
   */
  pointedAt({ inbound, fallback }: Pick<UrlRecord, "inbound" | "fallback">): boolean {
    const keys = [urlsKey(inbound, fallback), urlsKey(inbound, undefined)];
    return keys.some((key) => this.#sidsByUrls.count(key) > 0 || this.#owed.pointsAt(key));
  }

  claimsOfStream(namespaceUid: string, stream: string): ClaimRecord[] {
    const sids = this.#sidsByStream.get(`${namespaceUid}/${stream}`);
    return sids.map((sid) => this.#claims.get(sid)!);
  }

  /**
   * Changes a route, or makes it if it does not exist: then `change` gets undefined. `change` gets the route as it is
   * at that moment, so two callers that change different parts do not undo each other. The generation rises when the
   * part that the receivers get changes. A new route has a higher generation than the stream's other routes.
   * Resolves with the route once it is durable, or with undefined when `change` returns undefined. Throws
   * RouteTableFull if there is no room for a new route; a route in use is always kept.
   */
  async updateRoute(
    key: string,
    where: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">,
    change: (before: RouteRecord | undefined) => RouteRecord | undefined,
  ): Promise<RouteRecord | undefined> {
    // Nothing may be awaited between the last check for room and `#indexRoute`. Otherwise a thousand callers at the
    // same time would all be told that there is room, although only one route fits.
    while (!this.#routes.has(key) && !this.#hasRoom(where)) await this.durable(where);
    const before = this.#routes.get(key);
    const wanted = change(before);
    if (wanted === undefined) return undefined;
    // A route that did not change needs no write. An earlier change may not be durable yet, so wait for its write.
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(wanted)) {
      await this.durable(before);
      return before;
    }
    const generation =
      before === undefined
        ? Math.max(
            wanted.generation,
            (this.newestRouteOf(where.namespaceUid, where.stream)?.generation ?? 0) + 1,
          )
        : before.generation + (sameForReceiver(before, wanted) ? 0 : 1);
    const next = { ...wanted, generation };
    this.#indexRoute(next);
    if (before === undefined) this.#shardOf(next).reserved += NEW_ROUTE_BYTES;
    // Once a token is promoted at Twilio it signs texts, and the receivers refuse these texts until they know the
    // token. So a new token is written without a pause.
    await this.#changed([next], { urgent: hasNewToken(before, next) });
    return next;
  }

  /** Removes a route that is not needed any more. The removal is durable when the promise resolves. */
  async dropRoute(key: string): Promise<void> {
    const route = this.#routes.get(key);
    if (route === undefined) return;
    this.#unindexRoute(route);
    await this.#changed([route]);
  }

  /**
   * Makes or changes a claim. The claim is durable when the promise resolves. Whoever calls `putClaim` must not change
   * Twilio before that.
   */
  async putClaim(claim: ClaimRecord): Promise<void> {
    const before = this.#claims.get(claim.phoneNumberSid);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(claim))
      return await this.durable(before);
    if (before !== undefined) this.#unindexClaim(before);
    this.#indexClaim(claim);
    // A stream of another shard may have held the number before. Then the shard of that stream changes too, and both
    // shards are written at the same time.
    await this.#changed([claim, before ?? claim]);
  }

  /** Removes the claim of a number that nobody holds any more, when nothing of ours is left at Twilio. */
  async dropClaim(phoneNumberSid: string): Promise<void> {
    const claim = this.#claims.get(phoneNumberSid);
    if (claim === undefined) return;
    this.#unindexClaim(claim);
    await this.#changed([claim]);
  }

  /**
   * Records that a number is owed: nobody holds it any more, and it was not given back. One write ends the claim and
   * adds the record, so no crash can leave a number that has neither a claim nor such a record.
   */
  async owe(owed: OwedRecord): Promise<void> {
    const claim = this.#claims.get(owed.phoneNumberSid);
    if (claim?.uid === owed.uid) this.#unindexClaim(claim);
    const before = this.#owed.get(owed.phoneNumberSid);
    this.#owed.put(owed);
    await this.#changed([owed, before ?? owed, claim ?? owed]);
  }

  /** Removes the record of an owed number, because it was given back or there is nothing to give back. */
  async dropOwed(phoneNumberSid: string): Promise<void> {
    const owed = this.#owed.delete(phoneNumberSid);
    if (owed !== undefined) await this.#changed([owed]);
  }

  /** Resolves when every change so far in the shard of this stream is durable; rejects when the write fails. */
  async durable(place: ShardPlace): Promise<void> {
    await this.#shardOf(place).write.durable();
  }

  /**
   * Resolves when the writes under way have ended. A process that stops must wait for them: the next process reads the
   * Secrets at once, and a claim that is written after that belongs to an SmsNumber that may be deleted by then.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#shards.map(({ write }) => write.settled()));
  }

  async #changed(places: readonly ShardPlace[], options: { urgent?: boolean } = {}) {
    const changed = new Set(places.map((place) => this.#shardOf(place)));
    const written = [...changed].map(({ write }) => write.changed(options));
    // Each write of one shard also retries the shards whose last write failed; each of these keeps its own pauses
    // between writes. This needs no timer: writes of other shards, and the upkeep once a minute, come often enough.
    for (const shard of this.#shards)
      if (shard.write.dirty && !changed.has(shard)) shard.write.durable().catch(() => {});
    await Promise.all(written);
  }

  async #save(shard: number) {
    const state = this.#shards[shard]!;
    const { reserved, left } = state;
    state.measured = await this.#options.store.save(shard, this.#contentOf(shard));
    // The bytes that were reserved for new routes stay reserved until the write has measured the shard. Before that,
    // and after a failed write, they are the best estimate. Routes added during the write stay reserved.
    state.reserved -= reserved;
    state.left -= left;
  }

  #contentOf(shard: number): Shard {
    const { routes, claims } = this.#shards[shard]!;
    const owed = this.#owed.all().filter(({ namespace, stream }) => this.#isIn(shard, namespace, stream));
    return { routes: [...routes.values()], claims: [...claims.values()], owed };
  }

  /**
   * Returns true when a new route fits now. Returns false when the next write must first measure what the new routes
   * really take. Throws when there is no room at all.
   */
  #hasRoom(where: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">): boolean {
    this.#makeRoomInNamespace(where);
    const shard = this.#shardOf(where);
    if (shard.measured + shard.reserved + NEW_ROUTE_BYTES <= SHARD_LIMIT_BYTES) return true;
    const now = this.#options.clock.now();
    const standings = [...shard.routes.values()].map((route) => this.#standingOf(route));
    this.#evict(evictedForRoom(where.namespaceUid, standings, now));
    // A caller should wait only for a write that will show more room. Without such a write it would wait for ever.
    if ((shard.reserved === 0 && shard.left === 0) || shard.write.idle)
      throw new Failure(
        "RouteTableFull",
        "the operator's routing Secret has no room for another route; raise ROUTE_SHARDS",
      );
    return false;
  }

  /** Keeps a namespace within its limit, by evicting its former routes where needed. */
  #makeRoomInNamespace({ namespaceUid, stream }: Pick<RouteRecord, "namespaceUid" | "stream">) {
    const { maxStreamsPerNamespace: most } = this.#options;
    if (this.#keysByNamespace.count(namespaceUid) < most) return;
    const routes = this.#keysByNamespace.get(namespaceUid).map((key) => this.#routes.get(key)!);
    const standings = routes.map((route) => this.#standingOf(route));
    const room = roomInNamespace(stream, standings, most);
    if (room.do === "refuse") throw new Failure("RouteTableFull", room.message);
    this.#evict(room.evict);
  }

  /** The route, with the facts that decide whether it may be evicted. */
  #standingOf(route: RouteRecord): RouteStanding {
    if (this.#options.isLive(route)) return { route, isLive: true };
    return { route, isLive: false, hasNumber: this.hasNumber(route) };
  }

  /** Removes these routes. Nobody waits for the writes; a write that fails is repeated with the next change. */
  #evict(routes: readonly RouteRecord[]) {
    for (const route of routes) {
      this.#unindexRoute(route);
      this.#shardOf(route)
        .write.changed()
        .catch(() => {});
      for (const listener of this.#evictionListeners) listener(routeKey(route));
    }
  }

  #indexRoute(route: RouteRecord) {
    const key = routeKey(route);
    this.#routes.set(key, route);
    this.#shardOf(route).routes.set(key, route);
    for (const { inbound, fallback } of route.urls) {
      this.#inboundUrls.add(inbound);
      if (inboundBeside(fallback) !== inbound) this.#fallbackUrls.add(fallback);
    }
    this.#keysByStream.add(`${route.namespaceUid}/${route.stream}`, key);
    this.#keysByNamespace.add(route.namespaceUid, key);
  }

  #unindexRoute(route: RouteRecord) {
    const key = routeKey(route);
    const shard = this.#shardOf(route);
    this.#routes.delete(key);
    shard.routes.delete(key);
    shard.left += 1;
    this.#keysByStream.delete(`${route.namespaceUid}/${route.stream}`, key);
    this.#keysByNamespace.delete(route.namespaceUid, key);
  }

  #indexClaim(claim: ClaimRecord) {
    this.#claims.set(claim.phoneNumberSid, claim);
    this.#shardOf(claim).claims.set(claim.phoneNumberSid, claim);
    this.#sidByHolder.set(claim.uid, claim.phoneNumberSid);
    this.#sidsByStream.add(`${claim.namespaceUid}/${claim.stream}`, claim.phoneNumberSid);
    if (claim.configured !== undefined)
      this.#sidsByUrls.add(configuredKey(claim.configured), claim.phoneNumberSid);
  }

  #unindexClaim(claim: ClaimRecord) {
    this.#claims.delete(claim.phoneNumberSid);
    this.#shardOf(claim).claims.delete(claim.phoneNumberSid);
    this.#sidByHolder.delete(claim.uid);
    this.#sidsByStream.delete(`${claim.namespaceUid}/${claim.stream}`, claim.phoneNumberSid);
    if (claim.configured !== undefined)
      this.#sidsByUrls.delete(configuredKey(claim.configured), claim.phoneNumberSid);
  }

  #isIn(shard: number, namespace: string, stream: string): boolean {
    return shardOf(namespace, stream, this.#options.shards) === shard;
  }

  #shardOf({ namespace, stream }: ShardPlace): ShardState {
    return this.#shards[shardOf(namespace, stream, this.#options.shards)]!;
  }
}

/**
 * Whether an existing route gets a token that the receivers do not know. Once that token is promoted, Twilio signs
 * texts with it, and the receivers refuse these texts.
 */
function hasNewToken(before: RouteRecord | undefined, { tokens }: RouteRecord): boolean {
  if (before === undefined) return false;
  const known = new Set(before.tokens.map(({ token }) => token));
  return tokens.some(({ token }) => !known.has(token));
}
