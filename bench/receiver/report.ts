export const SERVERS = ["ours", "floor", "express"] as const;
export type ServerName = (typeof SERVERS)[number];

export interface LoadSample {
  server: ServerName;
  run: number;
  /**
   * The number of connections of the load. Each connection sends its next text as soon as its last text is answered. `half` is not a number
   * of connections but a load at an even rate: half of the rate that 128 connections reached.
   */
  connections: 32 | 64 | 128 | "half";
  /** How many texts per second were acknowledged and durable. */
  rate: number;
  /** CPU seconds of server and database together, per 10,000 texts. */
  cpuPer10k: number;
  p99Ms: number;
  /** How many texts were not acknowledged. */
  refused: number;
}

/** A load that was disturbed and therefore repeated. */
export interface Disturbed {
  server: ServerName;
  refused: number;
  /** The time of the slowest text in milliseconds. */
  slowestMs: number;
  /** The time of the DiskProbe's slowest write during the load, in milliseconds. */
  diskMs: number;
}

/** How long texts took in one load. */
export interface AnswerTimes {
  p50Ms: number;
  p99Ms: number;
  worstMs: number;
  refused: number;
}

/** The times of the same texts without strangers, and with strangers of one kind. Strangers are clients without a valid signature. */
export interface BesideStrangers {
  kind: string;
  run: number;
  alone: AnswerTimes;
  /** The times of the texts that were sent while the strangers connected. */
  arrival: AnswerTimes;
  /** The times of the texts that were sent after each stranger had had an answer. */
  beside: AnswerTimes;
  /** How many requests per second the strangers sent. */
  requestsPerSecond: number;
}

export interface Measured {
  samples: LoadSample[];
  strangers: BesideStrangers[];
  disturbed: Disturbed[];
}

/** A load is disturbed when a write to the disk takes this long or longer, because the receiver refuses a text after 3 s. */
export const STALL_MS = 1000;

export interface BenchTarget {
  name: string;
  value: number;
  unit: string;
  target: string;
  met: boolean;
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The median of the ratios of the runs. A ratio compares two servers within one run, because a disturbed run disturbs both servers. */
function ratio(
  samples: LoadSample[],
  other: ServerName,
  connections: 32 | 64 | 128,
  of: "rate" | "cpuPer10k",
): number {
  const find = (server: ServerName, run: number) =>
    samples.find((s) => s.server === server && s.run === run && s.connections === connections)![of];
  const runs = [...new Set(samples.map(({ run }) => run))];
  return median(runs.map((run) => find("ours", run) / find(other, run)));
}

/** The targets of the receiver, each with the measured value. CPU is compared at 64 connections. */
export function targetsOf({ samples, strangers, disturbed }: Measured): BenchTarget[] {
  return [
    ...(samples.length > 0 ? targetsOfLoad(samples) : []),
    ...(strangers.length > 0 ? targetsOfStrangers(strangers) : []),
    atMost("texts refused while the disk did not stall", refusedByUs(samples, disturbed), "texts", 0),
  ];
}

function targetsOfLoad(samples: LoadSample[]): BenchTarget[] {
  const p99 = median(
    samples.filter((s) => s.server === "ours" && s.connections === "half").map((s) => s.p99Ms),
  );
  return [
    atMost("CPU per text against the bare server", ratio(samples, "floor", 64, "cpuPer10k"), "×", 1.25),
    atMost("CPU per text against Express", ratio(samples, "express", 64, "cpuPer10k"), "×", 0.45),
    atLeast(
      "throughput at 64 connections against the bare server",
      ratio(samples, "floor", 64, "rate"),
      "×",
      0.8,
    ),
    atLeast(
      "throughput at 128 connections against the bare server",
      ratio(samples, "floor", 128, "rate"),
      "×",
      0.8,
    ),
    atMost("p99 at half of the highest rate", p99, "ms", 50),
  ];
}

/**
 * The targets for texts beside strangers. Ratios are medians of the runs with one kind of stranger. The slowest text is the slowest of all
 * runs.
 */
function targetsOfStrangers(strangers: BesideStrangers[]): BenchTarget[] {
  const ratios = kindsOf(strangers).map((rows) =>
    median(rows.map(({ alone, beside }) => beside.p99Ms / alone.p99Ms)),
  );
  const worst = Math.max(...strangers.map(slowestMs));
  return [
    atMost("slowest text beside strangers", worst, "ms", 2000),
    atMost("p99 beside strangers of the worst kind against alone", Math.max(...ratios), "×", 3),
  ];
}

const slowestMs = ({ arrival, beside }: BesideStrangers) => Math.max(arrival.worstMs, beside.worstMs);

const kindsOf = (strangers: BesideStrangers[]) => [...Map.groupBy(strangers, ({ kind }) => kind).values()];

/** How many texts the receiver refused although the disk did not stall, in repeated loads and in loads that counted. */
function refusedByUs(samples: LoadSample[], disturbed: Disturbed[]): number {
  const repeated = disturbed.filter(({ server, diskMs }) => server === "ours" && diskMs < STALL_MS);
  const counted = samples.filter(({ server }) => server === "ours");
  return [...repeated, ...counted].reduce((sum, { refused }) => sum + refused, 0);
}

const round = (value: number) => Math.round(value * 1000) / 1000;
const atMost = (name: string, value: number, unit: string, limit: number): BenchTarget => ({
  name,
  value: round(value),
  unit,
  target: `<= ${limit}`,
  met: value <= limit,
});
const atLeast = (name: string, value: number, unit: string, limit: number): BenchTarget => ({
  name,
  value: round(value),
  unit,
  target: `>= ${limit}`,
  met: value >= limit,
});

/** Prints the results of the bench as tables for people. */
export function report(measured: Measured): void {
  const { samples, strangers, disturbed } = measured;
  if (samples.length > 0) reportLoad(samples);
  if (strangers.length > 0) reportStrangers(strangers);
  if (disturbed.length > 0) console.log(`phases disturbed and repeated: ${disturbed.length}`);
  for (const { name, value, unit, target, met } of targetsOf(measured))
    console.log(`${met ? "met   " : "MISSED"} ${name}: ${value} ${unit} (${target})`);
}

function reportLoad(samples: LoadSample[]): void {
  const of = (
    server: ServerName,
    connections: LoadSample["connections"],
    value: "rate" | "cpuPer10k" | "p99Ms",
  ) =>
    median(samples.filter((s) => s.server === server && s.connections === connections).map((s) => s[value]));
  console.log("medians; CPU in seconds per 10,000 texts, server and database together");
  console.log(row("", "texts/s at 32", "64", "128", "CPU at 32", "64", "128", "p99 ms at half"));
  for (const server of SERVERS) {
    const rates = ([32, 64, 128] as const).map((n) => of(server, n, "rate").toFixed(0));
    const cpus = ([32, 64, 128] as const).map((n) => of(server, n, "cpuPer10k").toFixed(2));
    console.log(row(server, ...rates, ...cpus, of(server, "half", "p99Ms").toFixed(1)));
  }
}

function reportStrangers(strangers: BesideStrangers[]): void {
  console.log(
    "\ntexts at a quarter of the highest rate, in ms, alone and beside strangers of each kind; medians of the runs",
  );
  const wide = (first: string, ...cells: string[]) =>
    first.padEnd(42) + cells.map((cell) => cell.padStart(12)).join("");
  console.log(wide("", "p50 alone", "beside", "p99 alone", "beside", "worst", "refused", "theirs/s"));
  for (const rows of kindsOf(strangers)) {
    const of = (value: (row: BesideStrangers) => number) => median(rows.map(value));
    console.log(
      wide(
        rows[0]!.kind,
        of(({ alone }) => alone.p50Ms).toFixed(1),
        of(({ beside }) => beside.p50Ms).toFixed(1),
        of(({ alone }) => alone.p99Ms).toFixed(1),
        of(({ beside }) => beside.p99Ms).toFixed(1),
        Math.max(...rows.map(slowestMs)).toFixed(0),
        String(rows.reduce((sum, { arrival, beside }) => sum + arrival.refused + beside.refused, 0)),
        of(({ requestsPerSecond }) => requestsPerSecond).toFixed(0),
      ),
    );
  }
}

const row = (first: string, ...cells: string[]) =>
  first.padEnd(10) + cells.map((cell) => cell.padStart(15)).join("");
