import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { CHART, CRDS_CHART, helm, render } from "./helm.ts";

const read = (chart: string) => parse(readFileSync(join(chart, "Chart.yaml"), "utf8"));

test("both charts say where they come from, who makes them, and what they look like", () => {
  for (const chart of [CHART, CRDS_CHART])
    expect(read(chart)).toMatchObject({
      home: expect.stringMatching(/^https:/),
      sources: [expect.stringMatching(/^https:/)],
      icon: expect.stringMatching(/^data:image\/svg\+xml;base64,/),
      maintainers: [{ name: expect.any(String) }],
    });
  expect(read(CRDS_CHART).version).toBe(read(CHART).version);
});

test.each([CHART, CRDS_CHART])("helm lint finds nothing to recommend in %s", async (chart) => {
  const { stdout } = await helm(["lint", "--strict", chart]);
  expect(stdout).not.toContain("[INFO]");
});

test("the CRDs' own chart takes labels and annotations for them, and leaves what Helm and Argo CD go by", async () => {
  const values = { commonLabels: { team: "sms" }, commonAnnotations: { "example.com/a": "b" } };
  const crds = (await render(values, { chart: CRDS_CHART })).all;
  expect(crds.length).toBeGreaterThan(2);
  for (const { metadata } of crds) {
    expect(metadata.labels).toEqual({ team: "sms" });
    expect(metadata.annotations).toEqual({
      "example.com/a": "b",
      "helm.sh/resource-policy": "keep",
      "argocd.argoproj.io/sync-wave": "-4",
    });
  }
  for (const { metadata } of (await render({}, { chart: CRDS_CHART })).all)
    expect(metadata.labels).toBeUndefined();
});
