import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import pg from "pg";
import { systemClock } from "../src/clock.ts";
import { startEmbeddedPostgres } from "../src/inbox/embedded.ts";
import { migrate } from "../src/inbox/migrate.ts";
import { createLog } from "../src/log.ts";
import { cpuSeconds, postmasterPid } from "./receiver/cpu.ts";
import { DiskProbe } from "./receiver/disk.ts";
import { closedLoop, type LoadResult, makeTexts, openLoop } from "./receiver/load.ts";
import {
  type Disturbed,
  median,
  report,
  type Sample,
  SERVERS,
  type ServerName,
  STALL_MS,
  targetsOf,
} from "./receiver/report.ts";

// The receiver beside a bare server that does the least and beside Express with Twilio's middleware: the same machine,
// database, texts and load in one run, interleaved, so that a busy machine disturbs all three alike. Ratios count.

const TABLES: Record<ServerName, string> = { ours: "smschannel.inbox", floor: "floor", express: "express" };
const CONNECTIONS = [32, 64, 128] as const;

/**
 * What PostgreSQL does of its own accord would fall on one of the three by chance: a checkpoint, a vacuum of tables that are
 * emptied before each load, new segments of its log, which it fills with zeros where there is none to use again.
 */
const STEADY = {
  autovacuum: "off",
  checkpoint_timeout: "1h",
  max_wal_size: "8GB",
  min_wal_size: "1GB",
} as const;

interface Server {
  name: ServerName;
  pid: number;
  port: number;
  child: ChildProcess;
}

/** `npm run bench -- receiver [--runs 5] [--texts 30000]` */
export async function run(args: string[]): Promise<void> {
  const options = {
    runs: { type: "string", default: "5" },
    texts: { type: "string", default: "30000" },
  } as const;
  const { values } = parseArgs({ args, options });
  const log = createLog({ level: "warn", process: "bench" });
  const dataDir = mkdtempSync(join(tmpdir(), "sms-bench-"));
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings: STEADY });
  const owner = new pg.Client({ connectionString: postgres.ownerUrl });
  const servers: Server[] = [];
  const disk = new DiskProbe(dataDir);
  try {
    disk.start();
    await owner.connect();
    const urls = await prepare(owner, postgres.ownerUrl);
    for (const name of SERVERS) servers.push(await start(name, urls[name]));
    const texts = makeTexts(Number(values.texts));
    const disturbed: Disturbed[] = [];
    const samples = await measure({
      servers,
      owner,
      disk,
      disturbed,
      postmaster: postmasterPid(dataDir),
      texts,
      runs: Number(values.runs),
    });
    report(samples, disturbed);
    const targets = targetsOf(samples, disturbed);
    console.log(JSON.stringify({ bench: "receiver", disturbed: disturbed.length, targets }));
  } finally {
    await Promise.all(servers.map(end));
    await disk.stop();
    await owner.end();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Our schema with a role that can only insert; for the others the least that keeps a text once. */
async function prepare(owner: pg.Client, ownerUrl: string): Promise<Record<ServerName, string>> {
  const log = createLog({ level: "warn", process: "bench" });
  const roles = { receiver: { name: "receiver", password: "bench" }, create: true };
  await migrate({ url: ownerUrl, roles, waitMs: 10_000, log, clock: systemClock });
  for (const table of [TABLES.floor, TABLES.express])
    await owner.query(
      `create table ${table} (account_sid text, message_sid text, body text, received_at timestamptz default now(),
         primary key (account_sid, message_sid))`,
    );
  const receiverUrl = new URL(ownerUrl);
  receiverUrl.username = "receiver";
  receiverUrl.password = "bench";
  return { ours: receiverUrl.href, floor: ownerUrl, express: ownerUrl };
}

const FILES: Record<ServerName, string> = { ours: "our", floor: "floor", express: "express" };

async function start(name: ServerName, databaseUrl: string): Promise<Server> {
  const file = join(import.meta.dirname, "receiver", `${FILES[name]}-server.ts`);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", file], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  return { name, pid: child.pid!, port: (JSON.parse(line) as { port: number }).port, child };
}

async function end({ child }: Server): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

interface Measure {
  servers: Server[];
  owner: pg.Client;
  postmaster: number;
  texts: Buffer[];
  runs: number;
  disk: DiskProbe;
  /** Filled while it measures. */
  disturbed: Disturbed[];
}

/** A phase that the machine disturbs so often is no fault of the machine's any more. */
const MOST_TRIES = 4;

async function measure({ servers, runs, ...options }: Measure): Promise<Sample[]> {
  // Once unmeasured: the engines compile what is hot.
  for (const server of servers) await phase(server, options, (port, texts) => closedLoop(port, texts, 64));
  const samples: Sample[] = [];
  for (let run = 0; run < runs; run++) {
    // Each run begins with another server: what follows a checkpoint must not always be the same one. And the same load
    // goes to one right after the other, as what is compared should not lie half a minute apart.
    const inTurn = servers.map((_, i) => servers[(i + run) % servers.length]!);
    for (const connections of CONNECTIONS)
      for (const server of inTurn) {
        const sample = await phase(server, options, (port, texts) => closedLoop(port, texts, connections));
        samples.push({ ...sample, run, connections });
      }
    for (const server of inTurn) {
      const fastest = samples.filter((s) => s.server === server.name && s.connections === 128);
      const rate = median(fastest.map((s) => s.rate)) / 2;
      const half = await phase(server, options, (port, texts) => openLoop(port, texts, rate));
      samples.push({ ...half, run, connections: "half" });
    }
    console.error(`run ${run + 1} of ${runs} done`);
  }
  return samples;
}

/** One load on an empty table; again where it was disturbed. The last try counts, whatever it was. */
async function phase(
  server: Server,
  options: Omit<Measure, "servers" | "runs">,
  load: (port: number, texts: Buffer[]) => Promise<LoadResult>,
): Promise<Omit<Sample, "run" | "connections">> {
  for (let tries = 1; ; tries++) {
    const { sample, refused, slowestMs, diskMs } = await attempt(server, options, load);
    if ((refused === 0 && diskMs < STALL_MS) || tries === MOST_TRIES) return sample;
    options.disturbed.push({ server: server.name, refused, slowestMs, diskMs });
    console.error(
      `disturbed: ${server.name} refused ${refused}, its slowest text took ${slowestMs.toFixed(0)} ms, a write to the disk ${diskMs.toFixed(0)} ms; once more`,
    );
  }
}

/** Afterwards the table must hold all that was acknowledged; what was refused may have been stored late. */
async function attempt(
  server: Server,
  { owner, postmaster, texts, disk }: Omit<Measure, "servers" | "runs">,
  load: (port: number, texts: Buffer[]) => Promise<LoadResult>,
) {
  const table = TABLES[server.name];
  await owner.query(`truncate ${table}`);
  await owner.query("checkpoint");
  disk.takeLongestMs();
  const before = cpuSeconds(server.pid, postmaster);
  const result = await load(server.port, texts);
  const cpu = cpuSeconds(server.pid, postmaster) - before;
  const diskMs = disk.takeLongestMs();
  const { rows } = await owner.query<{ count: string }>(`select count(*) from ${table}`);
  const { acknowledged, refused, latencies } = result;
  const stored = Number(rows[0]!.count);
  if (stored < acknowledged || stored > acknowledged + refused)
    throw new Error(`${server.name}: ${acknowledged} acknowledged, ${refused} refused, ${stored} stored`);
  const sample = {
    server: server.name,
    rate: acknowledged / result.seconds,
    cpuPer10k: (cpu / acknowledged) * 10_000,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
    refused,
  };
  return { sample, refused, slowestMs: latencies.at(-1) ?? 0, diskMs };
}
