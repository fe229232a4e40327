import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { readCrds } from "../../src/api/crds.ts";
import { command } from "../install/command.ts";
import { CHART, CRDS_CHART, helm, render } from "./helm.ts";

const read = (chart: string) => parse(readFileSync(join(chart, "Chart.yaml"), "utf8"));

test("both charts name their home, their sources, their maintainers and an icon", () => {
  for (const chart of [CHART, CRDS_CHART])
    expect(read(chart)).toMatchObject({
      home: expect.stringMatching(/^https:/),
      sources: [expect.stringMatching(/^https:/)],
      icon: expect.stringMatching(/^data:image\/svg\+xml;base64,/),
      maintainers: [{ name: expect.any(String) }],
    });
  expect(read(CRDS_CHART).version).toBe(read(CHART).version);
});

describe.each([CHART, CRDS_CHART])("in the chart %s", (chart) => {
  const { annotations, version } = read(chart);
  const listed = (name: string) => parse(annotations[`artifacthub.io/${name}`]);

  test("the annotations for Artifact Hub name every kind as its CRD does", () => {
    const crds = readCrds().map(({ kind, plural, group, version }) => ({
      kind,
      version,
      name: `${plural}.${group}`,
    }));
    const told = listed("crds").map(({ kind, version, name }: Record<string, string>) => ({
      kind,
      version,
      name,
    }));
    const byKind = (a: { kind: string }, b: { kind: string }) => a.kind.localeCompare(b.kind);
    expect(told.toSorted(byKind)).toEqual(crds.toSorted(byKind));
  });

  test("the annotations for Artifact Hub have a valid example of every kind", async () => {
    const examples = listed("crdsExamples");
    expect(examples.map(({ kind }: { kind: string }) => kind).sort()).toEqual(
      readCrds()
        .map(({ kind }) => kind)
        .sort(),
    );
    const folder = await mkdtemp(join(tmpdir(), "sms-examples-"));
    const file = join(folder, "examples.yaml");
    await writeFile(file, examples.map((each: object) => stringify(each)).join("---\n"));
    const { output } = await command(["validate", file], {});
    await rm(folder, { recursive: true });
    expect(output).toContain(`${examples.length} objects, 0 errors`);
  });

  test("the annotations for Artifact Hub have changes and links in the form that Artifact Hub reads", () => {
    for (const change of listed("changes"))
      expect(change).toEqual({
        kind: expect.stringMatching(/^(added|changed|deprecated|removed|fixed|security)$/),
        description: expect.any(String),
      });
    for (const link of listed("links"))
      expect(link).toEqual({ name: expect.any(String), url: expect.stringMatching(/^https:/) });
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
  });
});

test.each([CHART, CRDS_CHART])("helm lint finds nothing to recommend in %s", async (chart) => {
  const { stdout } = await helm(["lint", "--strict", chart]);
  expect(stdout).not.toContain("[INFO]");
});

test("the chart of the CRDs adds labels and annotations to them, and keeps the annotations that Helm and Argo CD need", async () => {
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
