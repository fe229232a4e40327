import { Gauge, type Registry } from "@prometheus-io/client";
import { version } from "../version.ts";

// The metrics of the process itself. The metrics of its work are in src/receiver/metrics.ts and below src/controllers.

/** Adds a metric with the version that runs. Its value is always 1, so that a query can join the labels to other metrics by multiplying. */
export function exposeBuild(metrics: Registry, name: string): void {
  new Gauge({
    name: "smschannel_build_info",
    help: "Always 1. The labels are the process, its version and its Node version.",
    labelNames: ["version", "process", "node"],
    registers: [metrics],
  }).set({ version, process: name, node: process.versions.node }, 1);
}

/** A readiness check. It returns what is wrong as a sentence, or undefined when all is well. */
type ReadyCheck = () => string | undefined;

/**
 * Adds a metric with a series for each check of `/readyz`, so that an alert can name the check that fails. Checks that are added to the map
 * later get a series, too.
 */
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

/**
 * Adds a metric that is 1 in the replica that leads. The sum over all replicas is 1 while the operator works, and 0 when no replica leads.
 */
export function exposeLeading(metrics: Registry, leader: { readonly isLeading: boolean }): void {
  new Gauge({
    name: "smschannel_leading",
    help: "1 in the replica that leads, 0 in the replicas that stand by.",
    registers: [metrics],
    collect() {
      this.set(leader.isLeading ? 1 : 0);
    },
  });
}
