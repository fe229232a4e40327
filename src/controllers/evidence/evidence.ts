/**
 * Reads the reports of the receivers from the database: for each route and token, when a text was last accepted. With
 * these reports the operator can end a rotation of tokens sooner. A text that was accepted also proves, like a probe,
 * that the URL of its route works. The reports are optional: without a database there are none, and the operator works
 * without them.
 */

import type pg from "pg";
import type { Clock } from "../../clock.ts";
import { connect } from "../../inbox/connect.ts";
import { currentUrl, type DatabaseUrl } from "../../inbox/database-url.ts";
import { pruneEvidence, readEvidence } from "../../inbox/evidence.ts";
import { LogFilter } from "../../inbox/log-filter.ts";
import { troubleOf } from "../../inbox/trouble.ts";
import type { Log } from "../../log.ts";
import { TextsSeen } from "./texts-seen.ts";

/** How often the reports are read. Receivers write one report a minute for each route. */
const POLL_MS = 30_000;
/**
 * How far a poll looks back: the time since the last poll, and two minutes more because rows become visible a little
 * after their time.
 */
const OVERLAP_MS = POLL_MS + 120_000;
/** How old a row of the table `route_activity` gets before it is deleted, because it is of no use any more. */
const KEEP_MS = 24 * 3_600_000;
/**
 * The longest time for one query. A query that takes longer counts as failed, so that a database that hangs does not
 * end the polls.
 */
const QUERY_TIMEOUT_MS = 5_000;

/** When texts of each route were accepted, and by which token they were signed. */
export interface Evidence {
  /** When a text of this route was last accepted, in ms. */
  lastAcceptedAt(key: string): number | undefined;
  /** When the first text signed by the token of this fingerprint was accepted, as far as this process knows. */
  firstAcceptedAt(key: string, fingerprint: string): number | undefined;
  stop(): Promise<void>;
}

/** The evidence of an installation without a database: none. */
export const noEvidence: Evidence = {
  lastAcceptedAt: () => undefined,
  firstAcceptedAt: () => undefined,
  stop: async () => {},
};

/** The database with the reports, and the functions that are called when the reports show something new. */
export interface EvidenceOptions {
  databaseUrl: DatabaseUrl;
  clock: Clock;
  log: Log;
  /** Called when there is new evidence of a route. */
  onChange(key: string): void;
  /** Called when texts of the route used to come and no longer do. */
  onSilent(key: string): void;
}

/**
 * Polls the table `route_activity`. If the database is down, that is logged, and the evidence that was read earlier
 * stays known.
 */
export function watchEvidence({ databaseUrl, clock, log, onChange, onSilent }: EvidenceOptions): Evidence {
  const database = connectionTo(databaseUrl);
  const seen = new TextsSeen(KEEP_MS);
  const stopping = new AbortController();
  let windowMs = KEEP_MS;

  const poll = async () => {
    const client = await database.now(stopping.signal);
    for (const row of await readEvidence(client, windowMs, clock.now())) {
      const changed = seen.note(row);
      if (changed !== undefined) onChange(changed);
    }
    // Silence is judged only after a poll that succeeded: a database that does not answer does not mean that no texts
    // come.
    for (const key of seen.fallenSilent(clock.now())) onSilent(key);
    seen.forgetSilent(clock.now());
    windowMs = OVERLAP_MS;
    await pruneEvidence(client, KEEP_MS);
  };

  const run = async () => {
    const told = new LogFilter(clock);
    while (!stopping.signal.aborted) {
      try {
        await poll();
        if (told.isOver()) log.info("route activity is read again");
      } catch (error) {
        await database.end();
        const { code, problem } = troubleOf(error, "the controller's role");
        if (!stopping.signal.aborted && told.isNews(problem))
          log.warn({ code, problem }, "route activity cannot be read; going on without it");
      }
      await clock.sleep(POLL_MS, stopping.signal).catch(() => {});
    }
  };
  const running = run();

  return {
    lastAcceptedAt: (key) => seen.lastAcceptedAt(key),
    firstAcceptedAt: (key, fingerprint) => seen.firstAcceptedAt(key, fingerprint),
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      await running;
      await database.end();
    },
  };
}

/** One connection to the database, made again after it failed or when the URL has changed. */
function connectionTo(databaseUrl: DatabaseUrl) {
  let made: { url: string; client: pg.Client } | undefined;
  const end = async () => {
    const { client } = made ?? {};
    made = undefined;
    await client?.end().catch(() => undefined);
  };
  return {
    async now(signal: AbortSignal): Promise<pg.Client> {
      const url = await currentUrl(databaseUrl);
      if (made?.url === url) return made.client;
      await end();
      const client = await connect(
        url,
        {
          timeoutMs: QUERY_TIMEOUT_MS,
          queryTimeoutMs: QUERY_TIMEOUT_MS,
          applicationName: "smschannel-controller",
        },
        signal,
      );
      made = { url, client };
      return client;
    },
    end,
  };
}
