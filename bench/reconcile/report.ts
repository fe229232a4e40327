import { type BenchTarget, median } from "../receiver/report.ts";

export interface ReconcileOutcome {
  size: number;
  seconds: number;
  /** How many writes per second the API server can take, measured in the same run. */
  perSecond: number;
  /** Writes by resource, from the operator's start until nothing changed any more. */
  writes: Map<string, number>;
  /** Calls to Twilio by operation. */
  calls: Map<string, number>;
  heapMiB: number;
  rssMiB: number;
  latencyMs: number;
  /** How many Secrets keep a former webhook. There is one for each number that had a webhook. */
  previous: number;
  rest: { writes: Map<string, number>; calls: Map<string, number> };
}

/** How many calls the operator makes to one account at the same time. */
const AT_ONCE = 20;

/**
 * The seconds that Twilio's latency alone takes. First come the calls that read the account, such as its lists, one after the other. Then
 * come the updates, twenty at the same time.
 */
export function latencyBound({ size, calls, latencyMs }: ReconcileOutcome): number {
  const updates = calls.get("UpdateIncomingPhoneNumber") ?? 0;
  const rest = [...calls.values()].reduce((sum, n) => sum + n, 0) - updates;
  const serial = Math.min(rest, 2 + Math.ceil(size / 1000));
  return ((serial + Math.ceil(updates / AT_ONCE)) * latencyMs) / 1000;
}

/** The seconds that the API server alone takes for the operator's writes. */
export function writeBound({ writes, perSecond }: ReconcileOutcome): number {
  return total(writes) / perSecond;
}

export function report(outcomes: readonly ReconcileOutcome[]): void {
  console.log(
    "numbers  seconds  latency bound  write bound  ratio  writes/s  calls  writes  heap MiB  RSS MiB",
  );
  for (const each of outcomes) {
    const bound = Math.max(latencyBound(each), writeBound(each));
    const cells = [
      each.size,
      each.seconds.toFixed(2),
      latencyBound(each).toFixed(2),
      writeBound(each).toFixed(2),
      (each.seconds / bound).toFixed(2),
    ];
    const more = [
      each.perSecond.toFixed(0),
      total(each.calls),
      total(each.writes),
      each.heapMiB.toFixed(0),
      each.rssMiB.toFixed(0),
    ];
    const widths = [7, 7, 13, 11, 5, 8, 5, 6, 8, 7];
    console.log([...cells, ...more].map((cell, at) => String(cell).padStart(widths[at]!)).join("  "));
  }
  const last = outcomes.at(-1)!;
  console.log(`\n${last.size} numbers, calls to Twilio from nothing to Ready:`);
  table(last.calls);
  console.log("writes to the Kubernetes API:");
  table(last.writes);
  console.log("an hour at rest, calls to Twilio:");
  table(last.rest.calls);
  console.log("an hour at rest, writes to the Kubernetes API:");
  table(last.rest.writes);
}

function table(counts: Map<string, number>) {
  if (counts.size === 0) console.log("  none");
  for (const [name, count] of [...counts].sort((a, b) => b[1] - a[1]))
    console.log(`  ${String(count).padStart(6)}  ${name}`);
}

export function targetsOf(outcomes: readonly ReconcileOutcome[]): BenchTarget[] {
  const most = Math.max(...outcomes.map(({ size }) => size));
  const large = outcomes.filter(({ size }) => size === most);
  const middle = (value: (outcome: ReconcileOutcome) => number) => median(large.map(value));
  const perObject = (resources: string[]) => (outcome: ReconcileOutcome) =>
    resources.reduce((sum, resource) => sum + (outcome.writes.get(resource) ?? 0), 0) / outcome.size;
  const listed = (calls: Map<string, number>) => calls.get("ListIncomingPhoneNumber") ?? 0;
  return [
    target(
      `seconds over the bound, ${most} numbers`,
      middle((each) => each.seconds / Math.max(latencyBound(each), writeBound(each))),
      "ratio",
      1.5,
    ),
    // The Secret that keeps a number's former webhook counts as a write for the number.
    target(
      "writes per SmsNumber",
      middle((each) => perObject(["smsnumbers", "smsnumbers/status"])(each) + each.previous / each.size),
      "writes",
      4,
    ),
    target("writes per WorkStream", middle(perObject(["workstreams", "workstreams/status"])), "writes", 3),
    target(
      "update calls per number",
      middle(({ calls, size }) => (calls.get("UpdateIncomingPhoneNumber") ?? 0) / size),
      "calls",
      1,
    ),
    target(
      "list pages per 1,000 numbers",
      middle(({ calls, size }) => listed(calls) / Math.ceil(size / 1000)),
      "pages",
      1,
    ),
    target(
      "at rest, list pages an hour and 1,000 numbers",
      middle(({ rest, size }) => listed(rest.calls) / Math.ceil(size / 1000)),
      "pages",
      13,
    ),
    target(
      "at rest, other calls an hour",
      middle(({ rest }) => total(rest.calls) - listed(rest.calls)),
      "calls",
      3,
    ),
    target(
      "at rest, writes to the Kubernetes API an hour, Leases aside",
      middle(({ rest }) => total(rest.writes) - (rest.writes.get("leases") ?? 0)),
      "writes",
      0,
    ),
  ];
}

const target = (name: string, value: number, unit: string, at: number): BenchTarget => ({
  name,
  value: Number(value.toFixed(3)),
  unit,
  target: `<= ${at}`,
  met: value <= at,
});

const total = (counts: Map<string, number>) => [...counts.values()].reduce((sum, n) => sum + n, 0);
