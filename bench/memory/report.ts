import { type BenchTarget, median } from "../receiver/report.ts";
import type { Shape } from "./objects.ts";

export interface Start {
  seconds: number;
  idleMiB: number;
}

export interface Mass {
  shape: Shape;
  /** The time from the process's start until every number was Ready. */
  seconds: number;
  /** The size of the heap after a garbage collection. */
  heapMiB: number;
  /** The highest memory use during resyncs and changes. `peakMiB` is the highest of the whole run. */
  rssMiB: number;
  peakMiB: number;
  changesMs: readonly number[];
}

export function report(starts: readonly Start[], mass: Mass): void {
  const { shape, changesMs } = mass;
  console.log(`${shape.objects} streams, numbers and Secrets in ${shape.accounts} accounts`);
  const rows: [string, string][] = [
    ["start to first reconcile, s", starts.map(({ seconds }) => seconds.toFixed(2)).join("  ")],
    ["at rest, one stream, RSS MiB", starts.map(({ idleMiB }) => idleMiB.toFixed(0)).join("  ")],
    ["from nothing to Ready, s", mass.seconds.toFixed(0)],
    ["live heap, MiB", mass.heapMiB.toFixed(0)],
    ["RSS in resyncs and changes, MiB", mass.rssMiB.toFixed(0)],
    ["RSS at its highest, MiB", mass.peakMiB.toFixed(0)],
    [
      `${changesMs.length} changes to Twilio, ms`,
      `p50 ${at(changesMs, 0.5)}  p90 ${at(changesMs, 0.9)}  p99 ${at(changesMs, 0.99)}  most ${at(changesMs, 1)}`,
    ],
  ];
  for (const [name, value] of rows) console.log(`  ${name.padEnd(34)} ${value}`);
  for (const { name, value, unit, target, met } of targetsOf(starts, mass))
    console.log(`${met ? "met   " : "MISSED"} ${name}: ${value} ${unit} (${target})`);
}

export function targetsOf(starts: readonly Start[], mass: Mass): BenchTarget[] {
  const n = mass.shape.objects.toLocaleString("en-US");
  return [
    under(`live heap after collection, ${n} objects of each kind`, mass.heapMiB, "MiB", 150),
    under(`RSS at its highest, ${n} objects of each kind`, mass.peakMiB, "MiB", 400),
    under("a user's change reaches Twilio during a resync, p99", at(mass.changesMs, 0.99) / 1000, "s", 1),
    ...(starts.length === 0 ? [] : startTargets(starts)),
  ];
}

function startTargets(starts: readonly Start[]): BenchTarget[] {
  return [
    under("start to first reconcile, free Lease", median(starts.map(({ seconds }) => seconds)), "s", 3),
    under("RSS at rest", median(starts.map(({ idleMiB }) => idleMiB)), "MiB", 170),
  ];
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!);
}

const under = (name: string, value: number, unit: string, limit: number): BenchTarget => ({
  name,
  value: Math.round(value * 1000) / 1000,
  unit,
  target: `< ${limit}`,
  met: value < limit,
});
