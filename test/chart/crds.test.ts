import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { CRDS_CHART, type Manifest, type Rendered, render } from "./helm.ts";

const folder = resolve(import.meta.dirname, "../../crds");
const sources = readdirSync(folder).map(
  (name) => parse(readFileSync(join(folder, name), "utf8")) as Manifest,
);

function expectAll(rendered: Rendered) {
  const made = rendered.of("CustomResourceDefinition");
  expect(made.map(({ metadata }) => metadata.name).sort()).toEqual(
    sources.map(({ metadata }) => metadata.name).sort(),
  );
  for (const source of sources) {
    const crd = rendered.one("CustomResourceDefinition", source.metadata.name);
    expect(crd.spec).toEqual(source.spec);
    // Without this annotation, uninstalling the release would delete the CRDs, and with them every SmsNumber.
    expect(crd.metadata.annotations).toMatchObject({ "helm.sh/resource-policy": "keep" });
    // A client-side apply keeps a copy of the object in an annotation, and Kubernetes allows at most 256 KiB of annotations.
    expect(JSON.stringify(crd).length).toBeLessThan(262_144);
  }
}

describe("the CRDs", () => {
  test("are part of the chart and are applied before everything else", async () => {
    const rendered = await render();
    expectAll(rendered);
    const waves = rendered.all.map(({ metadata }) =>
      Number(metadata.annotations?.["argocd.argoproj.io/sync-wave"] ?? 0),
    );
    const crds = rendered.of("CustomResourceDefinition");
    expect(
      crds.map(({ metadata }) => Number(metadata.annotations?.["argocd.argoproj.io/sync-wave"])),
    ).toEqual(crds.map(() => Math.min(...waves)));
  });

  test("can be left out for somebody else to install", async () => {
    expect((await render({ crds: { install: false } })).of("CustomResourceDefinition")).toEqual([]);
  });

  test("have a chart of their own", async () => {
    // The chart of the CRDs has no schema, so the values that `render` always sets do no harm.
    const rendered = await render({}, { chart: CRDS_CHART });
    expectAll(rendered);
    expect(rendered.all).toHaveLength(sources.length);
  });
});
