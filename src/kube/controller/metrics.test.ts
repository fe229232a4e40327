import { Registry } from "@prometheus-io/client";
import { expect, test } from "vitest";
import { KubeMetrics } from "./metrics.ts";

test("a kind's counter of each result begins at 0, even when two controllers share the registry", async () => {
  const registry = new Registry();
  KubeMetrics.of(registry).reconciles.inc({ kind: "WorkStream", result: "bug" });
  KubeMetrics.of(registry).countFromZero("WorkStream");
  KubeMetrics.of(registry).countFromZero("SmsNumber");
  const text = await registry.metrics();
  expect(text).toContain('smschannel_reconcile_total{kind="WorkStream",result="bug"} 1\n');
  expect(text).toContain('smschannel_reconcile_total{kind="SmsNumber",result="bug"} 0\n');
  expect(text).toContain('smschannel_reconcile_total{kind="SmsNumber",result="failed"} 0\n');
});
