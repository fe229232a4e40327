import type { ChildProcess } from "node:child_process";
import type pg from "pg";
import { cpuSeconds } from "./cpu.ts";
import type { DiskProbe } from "./disk.ts";
import type { LoadResult } from "./load.ts";
import { type Disturbed, type LoadSample, type ServerName, STALL_MS } from "./report.ts";

export interface Server {
  name: ServerName;
  pid: number;
  port: number;
  child: ChildProcess;
  /** The table in which the server stores texts. */
  table: string;
}

/** The data that every load needs. */
export interface PhaseSurroundings {
  owner: pg.Client;
  postmaster: number;
  texts: Buffer[];
  disk: DiskProbe;
  /** The loads that had to be repeated. The function `phase` adds them to this list. */
  disturbed: Disturbed[];
}

export type Load = (port: number, texts: Buffer[]) => Promise<LoadResult>;

export interface Phase {
  sample: Omit<LoadSample, "run" | "connections">;
  latencies: Float64Array;
}

/**
 * How often a load is tried at most. A load that is disturbed at every try is not disturbed by chance, so the result of its last try
 * counts.
 */
const MOST_TRIES = 4;

/** Runs one load on an empty table, and repeats it when it was disturbed. The last try counts even if it was disturbed. */
export async function phase(server: Server, surroundings: PhaseSurroundings, load: Load): Promise<Phase> {
  for (let tries = 1; ; tries++) {
    const { sample, latencies, diskMs } = await attempt(server, surroundings, load);
    const { refused } = sample;
    if ((refused === 0 && diskMs < STALL_MS) || tries === MOST_TRIES) return { sample, latencies };
    const slowestMs = latencies.at(-1) ?? 0;
    surroundings.disturbed.push({ server: server.name, refused, slowestMs, diskMs });
    console.error(
      `disturbed: ${server.name} refused ${refused}, its slowest text took ${slowestMs.toFixed(0)} ms, a write to the disk ${diskMs.toFixed(0)} ms; trying again`,
    );
  }
}

/**
 * Runs one load, and checks that afterwards the table has every acknowledged text. A refused text may be in the table, too,
 * if it was stored too late to be acknowledged.
 */
async function attempt(
  { name, pid, port, table }: Server,
  { owner, postmaster, texts, disk }: PhaseSurroundings,
  load: Load,
): Promise<Phase & { diskMs: number }> {
  await owner.query(`truncate ${table}`);
  // A checkpoint right before the load prevents a checkpoint during the load.
  await owner.query("checkpoint");
  disk.takeLongestMs();
  const before = cpuSeconds(pid, postmaster);
  const result = await load(port, texts);
  const cpu = cpuSeconds(pid, postmaster) - before;
  const diskMs = disk.takeLongestMs();
  const { rows } = await owner.query<{ count: string }>(`select count(*) from ${table}`);
  const { acknowledged, refused, latencies } = result;
  const stored = Number(rows[0]!.count);
  if (stored < acknowledged || stored > acknowledged + refused)
    throw new Error(`${name}: ${acknowledged} acknowledged, ${refused} refused, ${stored} stored`);
  const sample = {
    server: name,
    rate: acknowledged / result.seconds,
    cpuPer10k: (cpu / acknowledged) * 10_000,
    p99Ms: percentile(latencies, 0.99),
    refused,
  };
  return { sample, latencies, diskMs };
}

/** The value below which the share `part` of the sorted values lies: 0.99 gives the 99th percentile. */
export const percentile = (sorted: Float64Array, part: number) =>
  sorted[Math.floor(sorted.length * part)] ?? 0;
