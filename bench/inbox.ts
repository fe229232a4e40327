import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/clock.ts";
import { startEmbeddedPostgres } from "../src/inbox/embedded.ts";
import { migrate } from "../src/inbox/migrate.ts";
import { createLog } from "../src/log.ts";

export interface BenchInbox {
  ownerUrl: string;
  /** The database URL with the receiver's role, which can only insert. */
  receiverUrl: string;
  dataDir: string;
  stop(): Promise<void>;
}

/** Starts a PostgreSQL for the bench, with the schema of the inbox. */
export async function startInbox(settings: Readonly<Record<string, string>> = {}): Promise<BenchInbox> {
  const log = createLog({ level: "warn", process: "bench" });
  const dataDir = mkdtempSync(join(tmpdir(), "sms-bench-"));
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings });
  const { ownerUrl } = postgres;
  const roles = { receiver: { name: "receiver", password: "bench" }, create: true };
  await migrate({ url: ownerUrl, roles, waitMs: 10_000, log, clock: systemClock });
  const receiverUrl = new URL(ownerUrl);
  receiverUrl.username = "receiver";
  receiverUrl.password = "bench";
  return {
    ownerUrl,
    receiverUrl: receiverUrl.href,
    dataDir,
    async stop() {
      await postgres.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
