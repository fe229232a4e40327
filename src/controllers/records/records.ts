/**
 * The operator's durable memory (ADR 13). It is what cannot be seen again after a restart: tokens that were
 * accepted a minute ago, URLs that were set at Twilio, who holds which number, which numbers are owed. Status
 * cannot hold it, since users may write there and tokens must not stand in it.
 *
 * The records are spread over ROUTE_SHARDS shards by namespace and stream, since a Secret holds 1 MiB. Everything
 * is indexed: a reconcile must not scan ten thousand records.
 */

import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { KubeError } from "../../kube/client/client.ts";
import { MultiMap } from "../../multimap.ts";
import { routeKey } from "../../routes/route.ts";
import { shardOf } from "../../routes/secrets.ts";
import { sameForReceiver } from "./compile.ts";
import { configuredKey, urlsKey } from "./configured.ts";
import { OwedNumbers } from "./owed-numbers.ts";
import { PacedWrite } from "./paced-write.ts";
import type { ClaimRecord, OwedRecord, RouteRecord, Shard, UrlRecord } from "./record.ts";
import { evictedForRoom, type RouteStanding, roomInNamespace } from "./room.ts";

/**
 * Above this many bytes a shard takes no new route. A Secret may hold 1 MiB; the rest is room for routes that grow,
 * by a second token in a rotation or a former URL.
 */
export const SHARD_LIMIT_BYTES = 900 * 1024;
/**
 * What a new route adds at the most, until the next write measures it. A bound, not an average: a route with its
 * claim takes some 243 bytes after compression.
 */
const NEW_ROUTE_BYTES = 1500;

/** Where the records are kept. A test puts a map in its place. */
export interface ShardStore {
  /** Throws rather than returning less than is stored: what is missing would be overwritten by the next save. */
  load(shard: number): Promise<Shard>;
  /**
   * Durable when it resolves; returns the bytes of the largest Secret. Writes only what differs from what was
   * written last.
   */
  save(shard: number, content: Shard): Promise<number>;
  /** What was read or written before may not be what is stored: the next `save` reads again. */
  invalidate(): void;
}

/** How large the memory may grow, and where it is kept. */
export interface RecordsOptions {
  store: ShardStore;
  shards: number;
  /** MAX_STREAMS_PER_NAMESPACE: one tenant must not fill the shards that all share. */
  maxStreamsPerNamespace: number;
  clock: Clock;
  /**
   * Does the route's stream exist and use it? Routes of former streams stay for an hour and do not count as
   * streams.
   */
  isLive(route: RouteRecord): boolean;
}

/** A part of the records, and what is known of its Secrets. */
interface ShardState {
  routes: Map<string, RouteRecord>;
  claims: Map<string, ClaimRecord>;
  /** Bytes as last written. */
  measured: number;
  /**
   * Bytes that routes added since may take, and how many routes have left since. The next write shows how much room
   * there really is.
   */
  reserved: number;
  left: number;
  write: PacedWrite;
}

/** Namespace and stream decide the shard; a claim lies beside its route, so that one write changes both. */
type ShardPlace = Pick<RouteRecord, "namespace" | "stream">;

/**
 * Routes, claims and owed numbers. A change is applied in memory at once and is durable when the promise of the
 * mutation resolves; changes within 250 ms share one write. Whoever changes something outside (Twilio, a status)
 * awaits that promise first. Each shard is written by itself, so one that cannot be written does not hold up the
 * streams of the others.
 *
 * Records are replaced, never changed in place: encoders and indexes recognise a change by identity (ADR 21).
 */
export class Records {
  readonly #options: RecordsOptions;
  readonly #routes = new Map<string, RouteRecord>();
  readonly #claims = new Map<string, ClaimRecord>();
  readonly #owed = new OwedNumbers();
  /** Routes and claims by shard, so that a write need not ask of every record where it belongs. */
  readonly #shards: ShardState[];
  /** Keys of routes by `namespaceUid/stream` and by namespace UID, and claims by the holder's UID. */
  readonly #keysByStream = new MultiMap<string, string>();
  readonly #keysByNamespace = new MultiMap<string, string>();
  readonly #sidByHolder = new Map<string, string>();
  readonly #sidsByStream = new MultiMap<string, string>();
  readonly #sidsByUrls = new MultiMap<string, string>();
  /**
   * Every inbound URL that some route has, or had while this process knew it. Never shrinks: a number that still
   * has a former URL is ours.
   */
  readonly #inboundUrls = new Set<string>();
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
   * Reads every shard; call it before anything else, at the start of each term of leadership. Resolves with the
   * reasons why shards could not be rewritten: their streams hear of it when they change something, and all others
   * can begin.
   * - `rewrite: false` is for `smschannel release`, which takes records away and has no use for bringing them up to
   *   date.
   * - With `signal` aborted during the read, what is known stays.
   */
  async load({
    rewrite = true,
    signal,
  }: {
    rewrite?: boolean;
    signal?: AbortSignal;
  } = {}): Promise<unknown[]> {
    const shards = await Promise.all(this.#shards.map((_, shard) => this.#options.store.load(shard)));
    // An answer that comes after the term may be older than what the next term has read and changed.
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
    // After a change of ROUTE_SHARDS records lie in other shards than they were read from. Writing all of them once
    // moves them; where nothing changed, nothing is written.
    const problems = await this.#rewrite();
    // Somebody wrote after we had read: a former leader that did not know yet that it lost. What was read is old,
    // so the caller reads again.
    const conflict = problems.find((problem) => problem instanceof KubeError && problem.status === 409);
    if (conflict !== undefined) throw conflict;
    return problems;
  }

  /**
   * A backup of the cluster was restored, so the Secrets may not hold what was written last (ADR 23). Each is
   * compared with what is known here and written where it differs: Twilio was not set back, and this memory knows
   * what was set there. Resolves with the reasons why shards could not be written.
   */
  async restored(): Promise<unknown[]> {
    this.#options.store.invalidate();
    return await this.#rewrite();
  }

  async #rewrite(): Promise<unknown[]> {
    const results = await Promise.allSettled(this.#shards.map(({ write }) => write.changed()));
    return results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  }

  /** Called with the key of a former route that left early because a living stream needed the room. */
  onEvicted(listener: (key: string) => void) {
    this.#evictionListeners.push(listener);
  }

  /** The route of this key, as it is in memory: perhaps not durable yet. */
  route(key: string): RouteRecord | undefined {
    return this.#routes.get(key);
  }
  routes(): IterableIterator<RouteRecord> {
    return this.#routes.values();
  }
  /** All routes of a stream, one for each account that it has used; usually one. */
  routesOf(namespaceUid: string, stream: string): RouteRecord[] {
    const keys = this.#keysByStream.get(`${namespaceUid}/${stream}`);
    return keys.map((key) => this.#routes.get(key)!);
  }
  /** Is this URL, or was it, one of ours? */
  hasInboundUrl(url: string): boolean {
    return this.#inboundUrls.has(url);
  }
  claim(phoneNumberSid: string): ClaimRecord | undefined {
    return this.#claims.get(phoneNumberSid);
  }
  claims(): IterableIterator<ClaimRecord> {
    return this.#claims.values();
  }
  /** The claim that this SmsNumber holds. Every attempt asks for it, so it is indexed. */
  claimOf(uid: string): ClaimRecord | undefined {
    const sid = this.#sidByHolder.get(uid);
    return sid === undefined ? undefined : this.#claims.get(sid);
  }

  /** The record of a number that nobody holds and that was not given back. */
  owed(phoneNumberSid: string): OwedRecord | undefined {
    return this.#owed.get(phoneNumberSid);
  }
  allOwed(): OwedRecord[] {
    return this.#owed.all();
  }
  /** What this SmsNumber held and did not give back. */
  owedOf(uid: string): OwedRecord[] {
    return this.#owed.ofHolder(uid);
  }

  /**
   * Does a number of this route still lead to us, or wait to be given back? Then the route must stay, with its
   * credentials.
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
   * Does a number that we configured point at these URLs? Then they must go on verifying. A number whose fallback
   * is not known (an older record) counts by its inbound URL. An owed number still counts as long as its SmsNumber
   * may give it back.
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
   * Changes a route, or makes one where `change` gets undefined. `change` runs at once, so that two callers who
   * change different parts do not undo each other. The generation rises when the receiver's part differs. Resolves
   * with the route once it is durable, or with undefined when `change` returns that. Throws RouteTableFull for a
   * new route without room; a route in use is always kept.
   */
  async updateRoute(
    key: string,
    where: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">,
    change: (before: RouteRecord | undefined) => RouteRecord | undefined,
  ): Promise<RouteRecord | undefined> {
    // Nothing may be awaited between this check and `#indexRoute`: a thousand callers at once would all be told
    // that there is room.
    while (!this.#routes.has(key) && !this.#hasRoom(where)) await this.durable(where);
    const before = this.#routes.get(key);
    const wanted = change(before);
    if (wanted === undefined) return undefined;
    // The same again costs no write. An earlier call may not be durable yet, so wait for that.
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(wanted)) {
      await this.durable(before);
      return before;
    }
    const generation =
      before === undefined
        ? wanted.generation
        : before.generation + (sameForReceiver(before, wanted) ? 0 : 1);
    const next = { ...wanted, generation };
    this.#indexRoute(next);
    if (before === undefined) this.#shardOf(next).reserved += NEW_ROUTE_BYTES;
    // A token that is promoted at Twilio signs texts from that moment on, and the receivers refuse them until they
    // know it.
    await this.#changed([next], { urgent: hasNewToken(before, next) });
    return next;
  }

  /** The route is of no use any more. Durable when it resolves. */
  async dropRoute(key: string): Promise<void> {
    const route = this.#routes.get(key);
    if (route === undefined) return;
    this.#unindexRoute(route);
    await this.#changed([route]);
  }

  /** Makes or changes a claim. Durable when it resolves, and only then may Twilio be changed. */
  async putClaim(claim: ClaimRecord): Promise<void> {
    const before = this.#claims.get(claim.phoneNumberSid);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(claim))
      return await this.durable(before);
    if (before !== undefined) this.#unindexClaim(before);
    this.#indexClaim(claim);
    // The number may have been held by a stream of another shard, which loses it in the same turn.
    await this.#changed([claim, before ?? claim]);
  }

  /** Nobody holds the number any more, and nothing of ours is left at Twilio. */
  async dropClaim(phoneNumberSid: string): Promise<void> {
    const claim = this.#claims.get(phoneNumberSid);
    if (claim === undefined) return;
    this.#unindexClaim(claim);
    await this.#changed([claim]);
  }

  /**
   * Nobody holds the number any more, and it was not given back. One write ends the claim and adds the record, so
   * that no crash leaves a number that is neither.
   */
  async owe(owed: OwedRecord): Promise<void> {
    const claim = this.#claims.get(owed.phoneNumberSid);
    if (claim?.uid === owed.uid) this.#unindexClaim(claim);
    const before = this.#owed.get(owed.phoneNumberSid);
    this.#owed.put(owed);
    await this.#changed([owed, before ?? owed, claim ?? owed]);
  }

  /** It was given back, or there is nothing to give back. */
  async dropOwed(phoneNumberSid: string): Promise<void> {
    const owed = this.#owed.delete(phoneNumberSid);
    if (owed !== undefined) await this.#changed([owed]);
  }

  /** Resolves when everything changed so far in the shard of this stream is durable; rejects when the write fails. */
  async durable(place: ShardPlace): Promise<void> {
    await this.#shardOf(place).write.durable();
  }

  async #changed(places: readonly ShardPlace[], options: { urgent?: boolean } = {}) {
    const changed = new Set(places.map((place) => this.#shardOf(place)));
    const written = [...changed].map(({ write }) => write.changed(options));
    // Shards that could not be written are tried again whenever there is something to write, at their own pace.
    // Shards whose last write failed are tried again whenever something is written, at their own pace. No timer
    // is needed: the writes of others, and the upkeep once a minute, come often enough.
    for (const shard of this.#shards)
      if (shard.write.dirty && !changed.has(shard)) shard.write.durable().catch(() => {});
    await Promise.all(written);
  }

  async #save(shard: number) {
    const state = this.#shards[shard]!;
    const { reserved, left } = state;
    state.measured = await this.#options.store.save(shard, this.#contentOf(shard));
    // Only after the write: until it is measured, and after a failure, the reservation is the best that is known.
    // Routes added meanwhile stay reserved.
    state.reserved -= reserved;
    state.left -= left;
  }

  #contentOf(shard: number): Shard {
    const { routes, claims } = this.#shards[shard]!;
    const owed = this.#owed.all().filter(({ namespace, stream }) => this.#isIn(shard, namespace, stream));
    return { routes: [...routes.values()], claims: [...claims.values()], owed };
  }

  /**
   * True when a new route fits now. False: not before the next write has measured what new routes really take.
   * Throws when there is no room at all.
   */
  #hasRoom(where: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">): boolean {
    this.#makeRoomInNamespace(where);
    const shard = this.#shardOf(where);
    if (shard.measured + shard.reserved + NEW_ROUTE_BYTES <= SHARD_LIMIT_BYTES) return true;
    const now = this.#options.clock.now();
    const standings = [...shard.routes.values()].map((route) => this.#standingOf(route));
    this.#evict(evictedForRoom(where.namespaceUid, standings, now));
    // Waiting makes sense only for a write that will measure something. Without one the caller would ask for ever.
    if ((shard.reserved === 0 && shard.left === 0) || shard.write.idle)
      throw new Failure(
        "RouteTableFull",
        "the operator's routing Secret has no room for another route; raise ROUTE_SHARDS",
      );
    return false;
  }

  /** Keeps a namespace within its share, by evicting its former routes if need be. */
  #makeRoomInNamespace({ namespaceUid, stream }: Pick<RouteRecord, "namespaceUid" | "stream">) {
    const { maxStreamsPerNamespace: most } = this.#options;
    if (this.#keysByNamespace.count(namespaceUid) < most) return;
    const routes = this.#keysByNamespace.get(namespaceUid).map((key) => this.#routes.get(key)!);
    const standings = routes.map((route) => this.#standingOf(route));
    const room = roomInNamespace(stream, standings, most);
    if (room.do === "refuse") throw new Failure("RouteTableFull", room.message);
    this.#evict(room.evict);
  }

  /** A route with what decides whether it may be evicted. */
  #standingOf(route: RouteRecord): RouteStanding {
    if (this.#options.isLive(route)) return { route, isLive: true };
    return { route, isLive: false, hasNumber: this.hasNumber(route) };
  }

  /** Nobody waits for these writes. One that fails is tried again with the next change. */
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
    for (const { inbound } of route.urls) this.#inboundUrls.add(inbound);
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
 * Has a token been added that the receivers do not know? From the moment when it is promoted at Twilio they refuse
 * texts signed with it.
 */
function hasNewToken(before: RouteRecord | undefined, { tokens }: RouteRecord): boolean {
  if (before === undefined) return false;
  const known = new Set(before.tokens.map(({ token }) => token));
  return tokens.some(({ token }) => !known.has(token));
}
