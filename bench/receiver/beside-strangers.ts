import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { spawnTied, stopChild } from "../../src/child.ts";
import { openLoop } from "./load.ts";
import { type PhaseSurroundings, percentile, phase, type Server } from "./phase.ts";
import type { BesideStrangers } from "./report.ts";
import { STRANGERS, type StrangerKind } from "./stranger-bodies.ts";

/** How many seconds a load takes. The load during which strangers arrive is shorter. */
const SECONDS = 5;
const ARRIVAL_SECONDS = 2;
/** Every tenth text uses a new connection, which the receiver has to accept among the connections of strangers. */
const FRESH_EVERY = 10;

export interface StrangersOptions {
  /** The rate of the load in texts per second. */
  rate: number;
  runs: number;
  /** How many strangers of one kind connect at the same time. */
  count: number;
}

/**
 * Sends texts at `rate` three times: without strangers (clients without a valid signature), while strangers of one kind connect, and after
 * each of them has had an answer. While the strangers connect, only the slowest text counts: the start of a process with a hundred
 * strangers keeps two cores busy for a moment, which is not the receiver's fault.
 */
export async function besideStrangers(
  server: Server,
  surroundings: PhaseSurroundings,
  { rate, runs, count }: StrangersOptions,
): Promise<BesideStrangers[]> {
  const rows: BesideStrangers[] = [];
  const load = async (seconds: number) => {
    const texts = surroundings.texts.slice(0, Math.max(1000, Math.round(rate * seconds)));
    const { latencies, sample } = await phase(server, { ...surroundings, texts }, (port, all) =>
      openLoop(port, all, rate, { freshEvery: FRESH_EVERY }),
    );
    return {
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      worstMs: latencies.at(-1) ?? 0,
      refused: sample.refused,
    };
  };
  for (let run = 0; run < runs; run++) {
    for (const kind of Object.keys(STRANGERS) as StrangerKind[]) {
      const alone = await load(SECONDS);
      const startMs = performance.now();
      const [strangers, arrival] = await Promise.all([
        startStrangers(server.port, count, kind),
        load(ARRIVAL_SECONDS),
      ]);
      await strangers.allAnswered;
      const beside = await load(SECONDS);
      const seconds = (performance.now() - startMs) / 1000;
      rows.push({ kind, run, alone, arrival, beside, requestsPerSecond: (await strangers.stop()) / seconds });
    }
    console.error(`strangers, run ${run + 1} of ${runs} done`);
  }
  return rows;
}

function startStrangers(port: number, count: number, kind: StrangerKind) {
  const file = join(import.meta.dirname, "strangers.ts");
  const args = ["--disable-warning=ExperimentalWarning", file, String(port), String(count), kind];
  const child = spawnTied(process.execPath, args);
  child.stderr!.pipe(process.stderr, { end: false });
  const lines = createInterface({ input: child.stdout! });
  return {
    allAnswered: once(lines, "line"),
    /** Stops the strangers. Resolves with the number of requests that they sent. */
    async stop(): Promise<number> {
      const said = once(lines, "line") as Promise<[string]>;
      await stopChild(child, "SIGTERM", 10_000);
      return (JSON.parse((await said)[0]) as { sent: number }).sent;
    },
  };
}
