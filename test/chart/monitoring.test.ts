import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { CHART, fixture, render } from "./helm.ts";

const root = resolve(import.meta.dirname, "../..");
const text = (...path: string[]) => readFileSync(join(root, ...path), "utf8");

interface Alert {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: Record<string, string>;
}

const alerts = (
  parse(readFileSync(join(CHART, "files/alerts.yaml"), "utf8")) as { groups: { rules: Alert[] }[] }
).groups.flatMap(({ rules }) => rules);
const dashboard = readFileSync(join(CHART, "files/dashboard.json"), "utf8");

/** The names of our metrics in an expression, without the suffix `_bucket` of a histogram. */
const metricsIn = (expression: string) =>
  [...expression.matchAll(/smschannel_[a-z_]+/g)].map(([name]) => name.replace(/_bucket$/, ""));

describe("the alerts", () => {
  // promtool is large, so it checks the alerts in `npm run lint:chart` and not here.
  const tests = readFileSync(fixture("alerts.test.yaml"), "utf8");
  const index = text("docs/runbooks/README.md");

  test.each(
    alerts.map((alert) => [alert.alert, alert] as const),
  )("the alert %s has a runbook and a test", (name, alert) => {
    expect(["critical", "warning"]).toContain(alert.labels.severity);
    expect(alert.annotations).toEqual({
      summary: expect.any(String),
      description: expect.any(String),
      runbook_url: `RUNBOOKS/${name}.md`,
    });
    const page = text("docs/runbooks", `${name}.md`);
    for (const heading of ["What it costs", "Look", "Do"]) expect(page).toContain(`\n## ${heading}\n`);
    expect(index).toContain(`[${name}](${name}.md) | ${alert.labels.severity} |`);
    expect(tests).toContain(`exp_samples: [{ labels: 'ALERTS{alertname="${name}"`);
    // Every metric in the expression is limited to this release.
    expect(alert.expr.match(/smschannel_/g)).toHaveLength(alert.expr.match(/job="JOB"/g)?.length ?? 0);
  });

  test("every runbook belongs to an alert that exists", () => {
    const pages = readdirSync(join(root, "docs/runbooks")).filter((name) => name !== "README.md");
    expect(pages.sort()).toEqual(alerts.map(({ alert }) => `${alert}.md`).sort());
  });
});

test("alerts and dashboard use metrics that exist and are documented", () => {
  const used = new Set([...alerts.flatMap(({ expr }) => metricsIn(expr)), ...metricsIn(dashboard)]);
  const documented = text("docs/operations.md");
  expect([...used].filter((name) => !documented.includes(`\`${name}`))).toEqual([]);
});

describe("the PrometheusRule", () => {
  const rulesOf = async (monitoring: object) => (await render({ monitoring })).one("PrometheusRule");

  test("has the alerts of files/alerts.yaml, limited to this release", async () => {
    const { metadata, spec } = await rulesOf({
      labels: { release: "prometheus" },
      rules: { enabled: true, labels: { team: "sms" }, runbookUrl: "https://example.com/runbooks/" },
    });
    expect(metadata.labels).toMatchObject({ release: "prometheus", team: "sms" });
    const expected = parse(
      readFileSync(join(CHART, "files/alerts.yaml"), "utf8")
        .replaceAll('"JOB"', '"sms/sms-channel-operator"')
        .replaceAll("RUNBOOKS", "https://example.com/runbooks"),
    );
    expect(spec).toEqual(expected);
  });

  test("names the file of each runbook when there is no URL for runbooks", async () => {
    const { spec } = await rulesOf({ rules: { enabled: true } });
    for (const { alert, annotations } of spec.groups[0].rules) {
      expect(annotations.runbook).toBe(`docs/runbooks/${alert}.md`);
      expect(annotations).not.toHaveProperty("runbook_url");
    }
  });
});

describe("Prometheus finds the pods", () => {
  const endpoint = {
    port: "metrics",
    interval: "15s",
    honorLabels: true,
    relabelings: [{ targetLabel: "job", replacement: "sms/sms-channel-operator" }],
  };
  const selector = {
    matchLabels: {
      "app.kubernetes.io/name": "sms-channel-operator",
      "app.kubernetes.io/instance": "sms-channel-operator",
    },
    matchExpressions: [
      { key: "app.kubernetes.io/component", operator: "In", values: ["controller", "receiver"] },
    ],
  };

  test("by a PodMonitor, when the values choose it", async () => {
    const rendered = await render({
      monitoring: { monitor: "PodMonitor", interval: "15s", labels: { release: "prometheus" } },
    });
    const { metadata, spec } = rendered.one("PodMonitor");
    expect(metadata.labels).toMatchObject({ release: "prometheus" });
    expect(spec).toEqual({ selector, podMetricsEndpoints: [endpoint] });
    expect(rendered.of("Service").map(({ metadata }) => metadata.name)).toEqual([
      "sms-channel-operator-receiver",
    ]);
  });

  test("by a ServiceMonitor and its own Services, when the values choose it", async () => {
    const rendered = await render({ monitoring: { monitor: "ServiceMonitor", interval: "15s" } });
    expect(rendered.one("ServiceMonitor").spec).toEqual({ selector, endpoints: [endpoint] });
    for (const component of ["controller", "receiver"]) {
      const { metadata, spec } = rendered.one("Service", `-${component}-metrics`);
      expect(metadata.labels).toMatchObject({ "app.kubernetes.io/component": component });
      expect(spec).toMatchObject({
        clusterIP: "None",
        publishNotReadyAddresses: true,
        ports: [{ name: "metrics", port: 9090, targetPort: "metrics" }],
      });
    }
    // The Service that may be a load balancer must not expose the metrics port.
    expect(rendered.one("Service", "-receiver").spec.ports).toHaveLength(1);
  });

  test("only when the values choose a monitor", async () => {
    const kinds = (await render()).all.map(({ apiVersion }) => apiVersion);
    expect(kinds.filter((apiVersion) => apiVersion.startsWith("monitoring."))).toEqual([]);
  });
});

test("the dashboard is a ConfigMap that Grafana's sidecar finds", async () => {
  const rendered = await render({
    monitoring: { dashboard: { enabled: true, labels: { dash: "1" }, annotations: { folder: "SMS" } } },
  });
  const { metadata, data } = rendered.one("ConfigMap");
  expect(metadata.labels).toMatchObject({ dash: "1", grafana_dashboard: "1" });
  expect(metadata.annotations).toEqual({ folder: "SMS" });
  expect(JSON.parse(data["sms-channel.json"])).toEqual(JSON.parse(dashboard));
  expect((await render()).of("ConfigMap")).toEqual([]);
});
