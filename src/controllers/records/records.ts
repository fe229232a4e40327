import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { KubeError } from "../../kube/client.ts";
import { MultiMap } from "../../multimap.ts";
import { shardOf } from "../../routes/table.ts";
import { sameForReceiver } from "./compile.ts";
import { configuredKey, urlsKey } from "./configured.ts";
import { OwedNumbers } from "./owed-numbers.ts";
import { PacedWrite } from "./paced-write.ts";
import type { ClaimRecord, OwedRecord, RouteRecord, Shard, UrlRecord } from "./record.ts";
import { routeKey } from "./record.ts";
import { evictedForRoom, type RouteStanding, roomInNamespace } from "./room.ts";

/** Above this many bytes a shard takes no new route; a Secret may hold 1 MiB. */
export const SHARD_LIMIT_BYTES = 900 * 1024;
/** What a new route adds at the most, before the next writing measures it: a bound, not an average. */
const NEW_ROUTE_BYTES = 1500;

/** Where the records are kept. */
export interface ShardStore {
  load(shard: number): Promise<Shard>;
  /** Durable when it resolves; gives the largest Secret's bytes. Writes only what differs. */
  save(shard: number, content: Shard): Promise<number>;
  /** What was read or written before may not be what is stored: the next `save` looks again. */
  invalidate(): void;
}

export interface RecordsOptions {
  store: ShardStore;
  shards: number;
  maxStreamsPerNamespace: number;
  clock: Clock;
  /** Does the route's stream exist and use it? Routes of former streams stay for an hour, and do not count as streams. */
  isLive(route: RouteRecord): boolean;
}

/** A part of the records, and what is known of its Secrets. */
interface ShardState {
  routes: Map<string, RouteRecord>;
  claims: Map<string, ClaimRecord>;
  /** Bytes as last written. */
  measured: number;
  /** What routes added since may take, and how many have left since: the next writing shows how much room there is. */
  reserved: number;
  left: number;
  write: PacedWrite;
}

type ShardPlace = Pick<RouteRecord, "namespace" | "stream">;

/**
 * The controller's memory: routes and claims, in this process for reading, in Secrets for the next one. A change is applied at
 * once and durable when the promise of the mutation resolves; changes within 250 ms share one write. Each shard is written by
 * itself: one that cannot be written is nothing to the streams of the others.
 */
export class Records {
  readonly #options: RecordsOptions;
  readonly #routes = new Map<string, RouteRecord>();
  readonly #claims = new Map<string, ClaimRecord>();
  readonly #owed = new OwedNumbers();
  /** Routes and claims by shard: a write must not ask of every record where it belongs. */
  readonly #shards: ShardState[];
  /** Keys of routes by `namespaceUid/stream` and by namespace UID, and claims by the holder's UID: reconciles must not scan. */
  readonly #keysByStream = new MultiMap<string, string>();
  readonly #keysByNamespace = new MultiMap<string, string>();
  readonly #sidByHolder = new Map<string, string>();
  readonly #sidsByStream = new MultiMap<string, string>();
  readonly #sidsByUrls = new MultiMap<string, string>();
  /** Every inbound URL that some route has, or had while this process knew it. */
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
   * Reads every shard; call before anything else, at the start of each term of leadership. `rewrite: false`: for who comes to
   * take records away, not to bring them up to date. Gives why shards could not be rewritten: their streams hear of it when
   * they change something, and everybody else can begin. With `signal` aborted while it reads, what is known stays.
   */
  async load({
    rewrite = true,
    signal,
  }: {
    rewrite?: boolean;
    signal?: AbortSignal;
  } = {}): Promise<unknown[]> {
    const shards = await Promise.all(this.#shards.map((_, shard) => this.#options.store.load(shard)));
    // An answer that comes after the term may be older than what the next one has read and changed.
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
    // After a change of ROUTE_SHARDS records lie in other shards than they were read from: write all anew, once.
    const problems = await this.#rewrite();
    // Somebody wrote after we had read: what was read is old.
    const conflict = problems.find((problem) => problem instanceof KubeError && problem.status === 409);
    if (conflict !== undefined) throw conflict;
    return problems;
  }

  /**
   * The Secrets may not hold what was written last, since a backup was restored: each is compared with what is known here, and
   * written where it differs. Gives why shards could not be written.
   */
  async restored(): Promise<unknown[]> {
    this.#options.store.invalidate();
    return await this.#rewrite();
  }

  async #rewrite(): Promise<unknown[]> {
    const results = await Promise.allSettled(this.#shards.map(({ write }) => write.changed()));
    return results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  }

  /** Called with the key of a former route that left early, because a living stream needed the room. */
  onEvicted(listener: (key: string) => void) {
    this.#evictionListeners.push(listener);
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

  /** A number that nobody holds and that was not given back. */
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

  /** Does a number of this route still lead to us, or wait to be put back? Its credentials are needed for that. */
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
   * Does a number that we configured point at these URLs? Where its fallback is not known, at the inbound one. One that is owed
   * still does, as long as its SmsNumber may give it back.
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
   * Changes a route, or makes it where `change` gets undefined; `change` runs at once, so that two who change different parts
   * do not undo each other. The generation rises when the receiver's part differs. Throws RouteTableFull for a new route
   * without room; one that is in use is always kept. Gives undefined when `change` does.
   */
  async updateRoute(
    key: string,
    where: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">,
    change: (before: RouteRecord | undefined) => RouteRecord | undefined,
  ): Promise<RouteRecord | undefined> {
    // Nothing may come between the answer and what takes the room: a thousand at once would all be told that there is some.
    while (!this.#routes.has(key) && !this.#hasRoom(where)) await this.durable(where);
    const before = this.#routes.get(key);
    const wanted = change(before);
    if (wanted === undefined) return undefined;
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
    await this.#changed([next], { urgent: hasNewToken(before, next) });
    return next;
  }

  async dropRoute(key: string): Promise<void> {
    const route = this.#routes.get(key);
    if (route === undefined) return;
    this.#unindexRoute(route);
    await this.#changed([route]);
  }

  async putClaim(claim: ClaimRecord): Promise<void> {
    const before = this.#claims.get(claim.phoneNumberSid);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(claim))
      return await this.durable(before);
    if (before !== undefined) this.#unindexClaim(before);
    this.#indexClaim(claim);
    // It may have been in another shard.
    await this.#changed([claim, before ?? claim]);
  }

  async dropClaim(phoneNumberSid: string): Promise<void> {
    const claim = this.#claims.get(phoneNumberSid);
    if (claim === undefined) return;
    this.#unindexClaim(claim);
    await this.#changed([claim]);
  }

  /** Nobody holds the number any more, and it was not given back: one write says both. */
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

  /** Resolves when everything changed so far in the shard of this stream is durable. */
  async durable(place: ShardPlace): Promise<void> {
    await this.#shardOf(place).write.durable();
  }

  async #changed(places: readonly ShardPlace[], options: { urgent?: boolean } = {}) {
    const changed = new Set(places.map((place) => this.#shardOf(place)));
    const written = [...changed].map(({ write }) => write.changed(options));
    // Shards that could not be written are tried again whenever there is something to write, at their own pace.
    for (const shard of this.#shards)
      if (shard.write.dirty && !changed.has(shard)) shard.write.durable().catch(() => {});
    await Promise.all(written);
  }

  async #save(shard: number) {
    const state = this.#shards[shard]!;
    const { reserved, left } = state;
    state.measured = await this.#options.store.save(shard, this.#contentOf(shard));
    // Only now: until it is measured, and after a failure, nobody knows better.
    state.reserved -= reserved;
    state.left -= left;
  }

  #contentOf(shard: number): Shard {
    const { routes, claims } = this.#shards[shard]!;
    const owed = this.#owed.all().filter(({ namespace, stream }) => this.#isIn(shard, namespace, stream));
    return { routes: [...routes.values()], claims: [...claims.values()], owed };
  }

  /** Throws when there is none; false: not before the next writing has measured what new routes really take. */
  #hasRoom(where: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream">): boolean {
    this.#makeRoomInNamespace(where);
    const shard = this.#shardOf(where);
    if (shard.measured + shard.reserved + NEW_ROUTE_BYTES <= SHARD_LIMIT_BYTES) return true;
    const now = this.#options.clock.now();
    const standings = [...shard.routes.values()].map((route) => this.#standingOf(route));
    this.#evict(evictedForRoom(where.namespaceUid, standings, now));
    // Without a writing to come nothing would change, and whoever waits for it would ask for ever.
    if ((shard.reserved === 0 && shard.left === 0) || shard.write.idle)
      throw new Failure(
        "RouteTableFull",
        "the operator's routing Secret has no room for another route; raise ROUTE_SHARDS",
      );
    return false;
  }

  #makeRoomInNamespace({ namespaceUid, stream }: Pick<RouteRecord, "namespaceUid" | "stream">) {
    const { maxStreamsPerNamespace: most } = this.#options;
    if (this.#keysByNamespace.count(namespaceUid) < most) return;
    const routes = this.#keysByNamespace.get(namespaceUid).map((key) => this.#routes.get(key)!);
    const standings = routes.map((route) => this.#standingOf(route));
    const room = roomInNamespace(stream, standings, most);
    if (room.do === "refuse") throw new Failure("RouteTableFull", room.message);
    this.#evict(room.evict);
  }

  #standingOf(route: RouteRecord): RouteStanding {
    if (this.#options.isLive(route)) return { route, isLive: true };
    return { route, isLive: false, hasNumber: this.hasNumber(route) };
  }

  /** Written by and by: nobody waits for it, and a failed writing is tried again with the next change. */
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

/** From the moment on when it is promoted at Twilio, texts that are signed with it are refused until the receivers know it. */
function hasNewToken(before: RouteRecord | undefined, { tokens }: RouteRecord): boolean {
  if (before === undefined) return false;
  const known = new Set(before.tokens.map(({ token }) => token));
  return tokens.some(({ token }) => !known.has(token));
}
