import type pg from "pg";
import type { Clock } from "../../clock.ts";
import { connect } from "../../inbox/connect.ts";
import { currentUrl, type DatabaseUrl } from "../../inbox/database-url.ts";
import { pruneEvidence, readEvidence } from "../../inbox/evidence.ts";
import { LogFilter } from "../../inbox/log-filter.ts";
import { troubleOf } from "../../inbox/trouble.ts";
import type { Log } from "../../log.ts";
import { TextsSeen } from "./texts-seen.ts";

const POLL_MS = 30_000;
/** What a poll looks back, beyond the time since the last one: rows become visible a little after their time. */
const OVERLAP_MS = POLL_MS + 120_000;
/** After this a row tells nothing that is still asked. */
const KEEP_MS = 24 * 3_600_000;
const QUERY_TIMEOUT_MS = 5_000;

/** What receivers report of each route: when texts signed by which token were accepted. */
export interface Evidence {
  /** When a text of this route was last accepted, in ms. */
  lastAcceptedAt(key: string): number | undefined;
  /** When this process first learnt of a text signed by the token of this fingerprint. */
  firstAcceptedAt(key: string, fingerprint: string): number | undefined;
  stop(): Promise<void>;
}

/** Without a database nothing is known, and nothing depends on it. */
export const noEvidence: Evidence = {
  lastAcceptedAt: () => undefined,
  firstAcceptedAt: () => undefined,
  stop: async () => {},
};

export interface EvidenceOptions {
  databaseUrl: DatabaseUrl;
  clock: Clock;
  log: Log;
  /** A route's evidence changed. */
  onChange(key: string): void;
  /** Texts of the route used to come, and come no more. */
  onSilent(key: string): void;
}

/** Polls `route_activity`. The database being down is logged and changes nothing: what is known stays known. */
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
    // Only after a look that succeeded: a database that does not answer is no silence.
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

/** One connection, made anew when it failed or the URL is another. */
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
