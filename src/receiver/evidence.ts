import type { Clock } from "../clock.ts";
import type { EvidenceRow } from "../inbox/evidence.ts";
import type { Log } from "../log.ts";
import { type Route, routeKey } from "../routes/route.ts";

export interface EvidenceRecorderOptions {
  replica: string;
  clock: Clock;
  log: Log;
  insert: (rows: EvidenceRow[]) => Promise<void>;
}

/** What was seen of a route since its last row of evidence was written. */
interface Collected {
  route: Route;
  accepted: Map<string, number>;
  refused: { count: number; lastMs: number; reason: string } | undefined;
  /** When the last row was written, in monotonic time. */
  writtenAtMs: number;
  isForgotten: boolean;
}

/**
 * How often we look for new evidence to write, and how far apart two rows of one route must be. With a minute between rows, 10,000 routes
 * write at most 170 rows a second.
 */
const LOOK_EVERY_MS = 5000;
const ROW_EVERY_MS = 60_000;

/**
 * Records, for the controller, when the signatures of each route were last good or bad. To the controller, a real text is better proof
 * that a URL works than its own self-check. Texts that are signed with a new token tell the controller that the old token may soon end.
 * Requests for unknown routes are not recorded: unauthenticated clients could fill the memory with them.
 */
export class EvidenceRecorder {
  readonly #options: EvidenceRecorderOptions;
  readonly #collected = new Map<string, Collected>();
  /** The collected evidence by route object, for speed: building the key for each text costs more than this lookup. */
  readonly #collectedOf = new WeakMap<Route, Collected>();
  readonly #dirty = new Set<Collected>();
  #cancel: (() => void) | undefined;

  constructor(options: EvidenceRecorderOptions) {
    this.#options = options;
  }

  accepted(route: Route, fingerprint: string, nowMs: number): void {
    this.#of(route).accepted.set(fingerprint, nowMs);
  }

  refused(route: Route, reason: string, nowMs: number): void {
    const collected = this.#of(route);
    collected.refused = { count: (collected.refused?.count ?? 0) + 1, lastMs: nowMs, reason };
  }

  start(): void {
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, async () => {
      await this.flush(ROW_EVERY_MS);
      this.#forgetQuiet();
      if (this.#cancel !== undefined) this.start();
    });
  }

  /** Stops and writes all evidence that is not written yet, also of routes whose last row is less than a minute old. */
  async stop(): Promise<void> {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    await this.flush(0);
  }

  /** Writes a row for each route with new evidence whose last row is at least `apartMs` old. Never rejects. */
  async flush(apartMs: number): Promise<void> {
    const { clock, log, insert } = this.#options;
    const due = [...this.#dirty].filter(({ writtenAtMs }) => clock.monotonic() - writtenAtMs >= apartMs);
    if (due.length === 0) return;
    for (const { route, refused } of due)
      if (refused !== undefined) log.warn(refusal(route, refused), "requests refused");
    const rows = due.map((collected) => this.#rowOf(collected));
    for (const collected of due) this.#written(collected);
    try {
      await insert(rows);
    } catch (error) {
      // Lost evidence only delays a verdict of the controller. The next text of the route makes new evidence, which is written a minute
      // later.
      log.warn({ code: (error as { code?: string }).code, routes: rows.length }, "evidence not written");
    }
  }

  #of(route: Route): Collected {
    const known = this.#collectedOf.get(route);
    const collected = known === undefined || known.isForgotten ? this.#find(route) : known;
    this.#dirty.add(collected);
    return collected;
  }

  #find(route: Route): Collected {
    const key = routeKey(route);
    let collected = this.#collected.get(key);
    if (collected === undefined) {
      collected = {
        route,
        accepted: new Map(),
        refused: undefined,
        writtenAtMs: Number.NEGATIVE_INFINITY,
        isForgotten: false,
      };
      this.#collected.set(key, collected);
    }
    this.#collectedOf.set(route, collected);
    return collected;
  }

  #rowOf({ route, accepted, refused }: Collected): EvidenceRow {
    return {
      replica: this.#options.replica,
      namespaceUid: route.namespaceUid,
      stream: route.stream,
      accountSid: route.accountSid,
      accepted: Object.fromEntries(accepted),
      ...(refused === undefined ? {} : { lastRefusedAtMs: refused.lastMs, refusedReason: refused.reason }),
    };
  }

  #written(collected: Collected) {
    collected.accepted = new Map();
    collected.refused = undefined;
    collected.writtenAtMs = this.#options.clock.monotonic();
    this.#dirty.delete(collected);
  }

  /**
   * Forgets each route without new evidence whose last row is a minute old or older, so that deleted routes do not stay in memory. Nothing
   * is lost: new evidence of such a route would be written within LOOK_EVERY_MS anyway.
   */
  #forgetQuiet() {
    const now = this.#options.clock.monotonic();
    for (const [key, collected] of this.#collected) {
      if (this.#dirty.has(collected) || now - collected.writtenAtMs < ROW_EVERY_MS) continue;
      collected.isForgotten = true;
      this.#collected.delete(key);
    }
  }
}

const refusal = ({ namespace, stream }: Route, { count, reason }: { count: number; reason: string }) => ({
  namespace,
  stream,
  reason,
  count,
});
