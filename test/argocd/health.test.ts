import { readFileSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { readCrds } from "../../src/api/crds.ts";
import { kubectl, newNamespace } from "../support/cluster.ts";
import { temporaryDirectory } from "../support/controlplane/directory.ts";
import { type ArgoHealth, DEPLOY, folderOf, healthOf, healthScript, healthTests } from "./health.ts";
import { readTestdata } from "./testdata.ts";

const kinds = readCrds().map(({ kind }) => kind);
/** The only values that Argo CD accepts as a health. */
const CODES = ["Healthy", "Progressing", "Degraded", "Suspended"];

describe.each(kinds)("resource_customizations/smschannel.dev/%s, as Argo CD's own test runs it", (kind) => {
  test("every file of testdata has a row in health_test.yaml, and health.lua gives the health of that row", async () => {
    const rows = await healthTests(kind);
    const files = (await readdir(`${folderOf(kind)}/testdata`)).map((name) => `testdata/${name}`);
    expect(rows.map(({ inputPath }) => inputPath).sort()).toEqual(files.sort());
    const script = readFileSync(`${folderOf(kind)}/health.lua`, "utf8");
    const objects = await Promise.all(rows.map(({ inputPath }) => readTestdata(kind, inputPath)));
    // The script must work with and without Lua's libraries: a check that is built into Argo CD can use all of them, and a check in
    // argocd-cm almost none.
    for (const openLibs of [true, false]) {
      const answers = await healthOf(objects.map((object) => ({ script, object, openLibs })));
      expect(answers.map(({ returned }) => returned)).toEqual(rows.map(({ healthStatus }) => healthStatus));
    }
  });

  test("the rows of health_test.yaml cover every health that Argo CD knows", async () => {
    const codes = new Set((await healthTests(kind)).map(({ healthStatus }) => healthStatus.status));
    expect([...codes].sort()).toEqual([...CODES].sort());
  });
});

describe("whatever an object looks like, the health check gives a health and a message, and never an error", () => {
  const condition = fc.record(
    {
      type: fc.constantFrom("Ready", "Reconciling", "Stalled", "Accepted", "x"),
      status: fc.constantFrom("True", "False", "Unknown", ""),
      reason: fc.option(fc.constantFrom("Ready", "Suspended", "Observing", "SecretNotFound", "")),
      message: fc.option(fc.oneof(fc.string(), fc.integer(), fc.constant("a\u0000b"))),
    },
    { requiredKeys: [] },
  );
  const anything = fc.jsonValue({ maxDepth: 2 });
  const object = fc.record(
    {
      metadata: fc.oneof(
        anything,
        fc.record(
          {
            name: fc.constant("x"),
            generation: fc.integer(),
            deletionTimestamp: fc.constant("2026-01-05T09:30:00Z"),
            finalizers: fc.oneof(anything, fc.array(fc.constantFrom("smschannel.dev/webhook", "other"))),
          },
          { requiredKeys: [] },
        ),
      ),
      spec: fc.oneof(anything, fc.record({ suspend: fc.oneof(fc.boolean(), anything) })),
      status: fc.oneof(
        anything,
        fc.record(
          {
            observedGeneration: fc.oneof(fc.integer(), anything),
            conditions: fc.oneof(anything, fc.array(fc.oneof(condition, anything))),
          },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: [] },
  );

  test("for 2,000 malformed objects", async () => {
    const script = await healthScript();
    const objects = fc.sample(object, 2000).map((each) => ({
      ...each,
      apiVersion: "smschannel.dev/v1alpha1",
      kind: "SmsNumber",
    }));
    const answers = await healthOf(objects.map((each) => ({ script, object: each })));
    for (const [at, { returned, error }] of answers.entries()) {
      expect(error, JSON.stringify(objects[at])).toBeUndefined();
      const { status, message } = returned as ArgoHealth;
      expect(CODES).toContain(status);
      expect(message?.length, JSON.stringify(objects[at])).toBeGreaterThan(0);
    }
  });
});

describe("what the project ships for argocd-cm", () => {
  const keys = kinds.map((kind) => `resource.customizations.health.smschannel.dev_${kind}`);

  test("the patch adds the health checks to existing settings, and can be applied twice", async () => {
    const namespace = await newNamespace("argocd");
    const settings = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "argocd-cm", namespace } };
    const input = JSON.stringify({ ...settings, data: { url: "https://argocd.example.com" } });
    expect(await kubectl(["apply", "-f", "-"], { input })).toMatchObject({ code: 0 });
    const file = readFileSync(`${DEPLOY}/argocd-cm.yaml`, "utf8");
    expect(file).toContain("  namespace: argocd\n");
    // The file names the usual namespace of Argo CD. Here the test's namespace replaces it.
    const patch = join(await temporaryDirectory("sms-argocd-patch"), "argocd-cm.yaml");
    await writeFile(patch, file.replace("namespace: argocd", `namespace: ${namespace}`));
    for (const answer of ["patched", "patched (no change)"]) {
      const args = ["-n", namespace, "patch", "configmap", "argocd-cm", "--patch-file", patch];
      expect(await kubectl(args)).toEqual({ code: 0, stdout: `configmap/argocd-cm ${answer}\n`, stderr: "" });
    }
    await rm(dirname(patch), { recursive: true });
    const { stdout } = await kubectl(["-n", namespace, "get", "configmap", "argocd-cm", "-o", "json"]);
    const { data } = JSON.parse(stdout) as { data: Record<string, string> };
    expect(Object.keys(data).sort()).toEqual([...keys, "url"].sort());
    for (const key of keys) expect(data[key]).toBe(await healthScript());
  });

  test("the values for Argo CD's chart hold the health check for every kind", async () => {
    const { configs } = parse(readFileSync(`${DEPLOY}/values.yaml`, "utf8"));
    expect(Object.keys(configs.cm)).toEqual(keys);
    for (const key of keys) expect(configs.cm[key]).toBe(await healthScript());
  });
});
