import { Gauge, type Registry } from "@prometheus-io/client";
import { version } from "../version.ts";

// Metrics of the process itself, whatever it does. Those of its work are in src/receiver/metrics.ts and below src/controllers.

/** Says which version runs where. The value is always 1, so that a query can join the labels to other metrics by multiplying. */
export function exposeBuild(metrics: Registry, name: string): void {
  new Gauge({
    name: "smschannel_build_info",
    help: "Always 1; the labels say which process of which version runs on which Node.",
    labelNames: ["version", "process", "node"],
    registers: [metrics],
  }).set({ version, process: name, node: process.versions.node }, 1);
}

/** What a check finds wrong, as a sentence; undefined when nothing is. */
type ReadyCheck = () => string | undefined;

/** A series for each check of `/readyz`, so that an alert can name the one that fails. Checks may be added later. */
export function exposeReadiness(metrics: Registry, checks: ReadonlyMap<string, ReadyCheck>): void {
  new Gauge({
    name: "smschannel_ready",
    help: "1 while this check of /readyz passes, else 0; the text of /readyz says why.",
    labelNames: ["check"],
    registers: [metrics],
    collect() {
      for (const [check, problem] of checks) this.set({ check }, problem() === undefined ? 1 : 0);
    },
  });
}

/** The sum over all replicas is 1 while the operator works: 0 means that no replica leads. */
export function exposeLeading(metrics: Registry, leader: { readonly isLeading: boolean }): void {
  new Gauge({
    name: "smschannel_leading",
    help: "1 in the replica that works, 0 in those that stand by.",
    registers: [metrics],
    collect() {
      this.set(leader.isLeading ? 1 : 0);
    },
  });
}
