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

interface Collected {
  route: Route;
  accepted: Map<string, number>;
  refused: { count: number; lastMs: number; reason: string } | undefined;
  /** On the clock that never jumps. */
  writtenAtMs: number;
}

/** How often what is new is looked for, and how far apart two rows of one route are at least. */
const LOOK_EVERY_MS = 5000;
const ROW_EVERY_MS = 60_000;

/**
 * When each known route's signatures were last good or bad: for the controller a text is better proof of a working URL than
 * its own check, and the first text signed by a new token ends the old one's time. Unknown routes leave nothing here.
 */
export class EvidenceRecorder {
  readonly #options: EvidenceRecorderOptions;
  readonly #seen = new Map<string, Collected>();
  /** The same by the object that the route table holds now: a key made anew for each text costs more than its lookup. */
  readonly #seenAs = new WeakMap<Route, Collected>();
  readonly #dirty = new Set<Collected>();
  #cancel: (() => void) | undefined;

  constructor(options: EvidenceRecorderOptions) {
    this.#options = options;
  }

  accepted(route: Route, fingerprint: string, nowMs: number): void {
    this.#of(route).accepted.set(fingerprint, nowMs);
  }

  refused(route: Route, reason: string, nowMs: number): void {
    const seen = this.#of(route);
    seen.refused = { count: (seen.refused?.count ?? 0) + 1, lastMs: nowMs, reason };
  }

  start(): void {
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, async () => {
      await this.flush(ROW_EVERY_MS);
      if (this.#cancel !== undefined) this.start();
    });
  }

  /** Writes what is new once more, whatever its age. */
  async stop(): Promise<void> {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    await this.flush(0);
  }

  /** Writes a row for each route that has something new and none written for `apartMs`. A failure keeps it for the next time. */
  async flush(apartMs: number): Promise<void> {
    const { clock, log, insert } = this.#options;
    const due = [...this.#dirty].filter(({ writtenAtMs }) => clock.monotonic() - writtenAtMs >= apartMs);
    if (due.length === 0) return;
    for (const { route, refused } of due)
      if (refused !== undefined) log.warn(refusal(route, refused), "requests refused");
    const rows = due.map((seen) => this.#rowOf(seen));
    for (const seen of due) this.#written(seen);
    try {
      await insert(rows);
    } catch (error) {
      // Proof that is late or lost delays a verdict, nothing more; what comes next is written a minute later.
      log.warn({ code: (error as { code?: string }).code, routes: rows.length }, "activity not written");
    }
  }

  #of(route: Route): Collected {
    const seen = this.#seenAs.get(route) ?? this.#find(route);
    this.#dirty.add(seen);
    return seen;
  }

  #find(route: Route): Collected {
    const key = routeKey(route);
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      seen = { route, accepted: new Map(), refused: undefined, writtenAtMs: Number.NEGATIVE_INFINITY };
      this.#seen.set(key, seen);
    }
    this.#seenAs.set(route, seen);
    return seen;
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

  #written(seen: Collected) {
    seen.accepted = new Map();
    seen.refused = undefined;
    seen.writtenAtMs = this.#options.clock.monotonic();
    this.#dirty.delete(seen);
  }
}

const refusal = ({ namespace, stream }: Route, { count, reason }: { count: number; reason: string }) => ({
  namespace,
  stream,
  reason,
  count,
});
