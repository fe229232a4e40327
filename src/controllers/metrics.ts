import { Counter, type Registry } from "@prometheus-io/client";
import { LET_GO_REASONS } from "./smsnumber/cleanup/let-go.ts";

/** The counters of the controllers. src/kube and src/twilio register their own. */
export interface ControllerMetrics {
  /** Counts one webhook that somebody changed and that the operator set back. */
  countDrift(): void;
  /** Counts one number that was let go although its webhook was not given back. */
  countLetGo(reason: string): void;
}

/** Registers the counters of the controllers. */
export function controllerMetrics(registry: Registry): ControllerMetrics {
  const drift = new Counter({
    name: "smschannel_webhook_drift_total",
    help: "Webhooks that somebody changed at Twilio and that the operator set back.",
    registers: [registry],
  });
  const letGo = new Counter({
    name: "smschannel_finalizer_gave_up_total",
    help: "Numbers that were let go without their webhook at Twilio given back, by reason.",
    labelNames: ["reason"] as const,
    registers: [registry],
  });
  // Every reason is exported from the start with the value 0. Prometheus sees no increase in a counter whose first
  // value is 1, so an alert would miss the first number that was let go for a reason.
  for (const reason of LET_GO_REASONS) letGo.inc({ reason }, 0);
  return { countDrift: () => drift.inc(), countLetGo: (reason) => letGo.inc({ reason }) };
}
