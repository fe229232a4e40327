import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import pg from "pg";
import { type BenchInbox, startInbox } from "./inbox.ts";
import { besideStrangers } from "./receiver/beside-strangers.ts";
import { postmasterPid } from "./receiver/cpu.ts";
import { DiskProbe } from "./receiver/disk.ts";
import { closedLoop, makeTexts, openLoop } from "./receiver/load.ts";
import { type Load, type PhaseSurroundings, phase, type Server } from "./receiver/phase.ts";
import {
  type LoadSample,
  type Measured,
  median,
  report,
  SERVERS,
  type ServerName,
  targetsOf,
} from "./receiver/report.ts";

// Compares the receiver with a bare server that does the least, and with Express and Twilio's middleware. All three servers get the same
// database, texts and load, and take turns within one run. A machine that is busy for a while then disturbs all three alike: their times
// are of little use, but the ratios of their times are meaningful.

const TABLES: Record<ServerName, string> = { ours: "smschannel.inbox", floor: "floor", express: "express" };
const CONNECTIONS = [32, 64, 128] as const;

/**
 * Keeps PostgreSQL from background work, which would slow down one of the three servers by chance. Such work is checkpoints, vacuums of the
 * tables that are emptied before each load, and new segments of the write-ahead log, which PostgreSQL fills with zeros when it has none to
 * reuse.
 */
const STEADY = {
  autovacuum: "off",
  checkpoint_timeout: "1h",
  max_wal_size: "8GB",
  min_wal_size: "1GB",
} as const;

const USAGE = `npm run bench -- receiver [options]

  --runs N         how often each load is repeated (default 5; at most 3 with strangers)
  --texts N        texts in a load (default 30000)
  --strangers N    how many strangers (clients without a valid signature) connect at a time (default 100)
  --only PART      load: compares the three servers; strangers: our receiver while strangers call it (default both)
`;

/** There are many kinds of strangers (clients without a valid signature), so the runs with each kind are limited. */
const MOST_STRANGER_RUNS = 3;

export async function run(args: string[]): Promise<void> {
  const options = {
    runs: { type: "string", default: "5" },
    texts: { type: "string", default: "30000" },
    strangers: { type: "string", default: "100" },
    only: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  const { values } = parseArgs({ args, options });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (values.only !== undefined && !["load", "strangers"].includes(values.only))
    throw new Error(`--only is load or strangers, not ${values.only}`);
  const inbox = await startInbox(STEADY);
  const owner = new pg.Client({ connectionString: inbox.ownerUrl });
  const servers: Server[] = [];
  const disk = new DiskProbe(inbox.dataDir);
  try {
    disk.start();
    await owner.connect();
    const urls = await prepare(owner, inbox);
    for (const name of SERVERS) servers.push(await start(name, urls[name]));
    const surroundings: PhaseSurroundings = {
      owner,
      disk,
      postmaster: postmasterPid(inbox.dataDir),
      texts: makeTexts(Number(values.texts)),
      disturbed: [],
    };
    const ours = servers.find(({ name }) => name === "ours")!;
    // The first load of each server is not measured, because V8 compiles the hot code during it.
    for (const server of servers) await phase(server, surroundings, most);
    const runs = Number(values.runs);
    const samples = values.only === "strangers" ? [] : await measure(servers, runs, surroundings);
    const fastest = samples.filter(({ server, connections }) => server === "ours" && connections === 128);
    const rates = fastest.length > 0 ? fastest : [(await phase(ours, surroundings, most)).sample];
    const strangers =
      values.only === "load"
        ? []
        : await besideStrangers(ours, surroundings, {
            rate: median(rates.map(({ rate }) => rate)) / 4,
            runs: Math.min(runs, MOST_STRANGER_RUNS),
            count: Number(values.strangers),
          });
    const measured: Measured = { samples, strangers, disturbed: surroundings.disturbed };
    report(measured);
    const targets = targetsOf(measured);
    console.log(
      JSON.stringify({ bench: "receiver", disturbed: surroundings.disturbed.length, strangers, targets }),
    );
  } finally {
    await Promise.all(servers.map(end));
    await disk.stop();
    await owner.end();
    await inbox.stop();
  }
}

/**
 * Makes a table for the bare server and a table for the Express server. These two servers store a text once and do nothing else. Returns
 * the database URL of each of the three servers.
 */
async function prepare(
  owner: pg.Client,
  { ownerUrl, receiverUrl }: BenchInbox,
): Promise<Record<ServerName, string>> {
  for (const table of [TABLES.floor, TABLES.express])
    await owner.query(
      `create table ${table} (account_sid text, message_sid text, body text, received_at timestamptz default now(),
         primary key (account_sid, message_sid))`,
    );
  return { ours: receiverUrl, floor: ownerUrl, express: ownerUrl };
}

const FILES: Record<ServerName, string> = { ours: "our", floor: "floor", express: "express" };

async function start(name: ServerName, databaseUrl: string): Promise<Server> {
  const file = join(import.meta.dirname, "receiver", `${FILES[name]}-server.ts`);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", file], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  const { port } = JSON.parse(line) as { port: number };
  return { name, pid: child.pid!, port, child, table: TABLES[name] };
}

/** Sends texts at the highest rate that the server takes. */
const most: Load = (port, texts) => closedLoop(port, texts, 128);

async function end({ child }: Server): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

/** Measures all three servers under each load in every run, and returns one sample for each of these measurements. */
async function measure(
  servers: Server[],
  runs: number,
  surroundings: PhaseSurroundings,
): Promise<LoadSample[]> {
  const measured = async (server: Server, load: Load) => (await phase(server, surroundings, load)).sample;
  const samples: LoadSample[] = [];
  for (let run = 0; run < runs; run++) {
    // Each run begins with a different server, because the first server after a checkpoint has a disadvantage. The servers take turns
    // within each load, so that the results to compare are not half a minute apart.
    const inTurn = servers.map((_, i) => servers[(i + run) % servers.length]!);
    for (const connections of CONNECTIONS)
      for (const server of inTurn) {
        const sample = await measured(server, (port, texts) => closedLoop(port, texts, connections));
        samples.push({ ...sample, run, connections });
      }
    for (const server of inTurn) {
      const fastest = samples.filter((s) => s.server === server.name && s.connections === 128);
      const rate = median(fastest.map((s) => s.rate)) / 2;
      const half = await measured(server, (port, texts) => openLoop(port, texts, rate));
      samples.push({ ...half, run, connections: "half" });
    }
    console.error(`run ${run + 1} of ${runs} done`);
  }
  return samples;
}
