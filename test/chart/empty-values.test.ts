import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { keysOf } from "../../scripts/generate/chart-keys.ts";
import { CHART, helm, merge, refusal } from "./helm.ts";
import { required } from "./values.ts";

// An empty value makes Helm remove the key before it checks the schema. A template without the key could render something dangerous,
// such as a right on every Secret. So the chart refuses each empty value and names it.

const defaults = parse(await readFile(join(CHART, "values.yaml"), "utf8")) as object;

/** Every key of values.yaml. Groups of keys are included, and so are the keys inside groups. */
const paths = (function below(keys: object, prefix = ""): string[] {
  return Object.entries(keys).flatMap(([key, value]) => [
    `${prefix}${key}`,
    ...(value === false ? [] : below(value, `${prefix}${key}.`)),
  ]);
})(keysOf(defaults));

const at = (path: string, value: unknown): object =>
  path.split(".").reduceRight<unknown>((below, key) => ({ [key]: below }), value) as object;

const sentence = (path: string) => `value "${path}" is empty: give it a value or remove the line`;

/** Renders values that Helm must refuse, and returns its error. It must not render anything. */
async function refused(values: object, ...flags: string[]): Promise<string> {
  const args = ["template", "sms", CHART, "--namespace", "sms", "--values", "-", ...flags];
  const { code, stdout, stderr } = await helm(args, values);
  expect([code, stdout]).toEqual([1, ""]);
  return stderr;
}

describe("the chart refuses an empty key of values.yaml, and the error names the key", () => {
  test.concurrent.each(paths)("when the key %s is empty in a file", async (path) => {
    expect(await refused(merge(required, at(path, null)))).toContain(`  * ${sentence(path)}\n`);
  });

  test.concurrent.each(paths)("when the key %s is set to null on the command line", async (path) => {
    expect(await refused(required, `--set=${path}=null`)).toContain(`  * ${sentence(path)}\n`);
  });

  test("these tests cover every key of values.yaml", () => {
    expect(paths.length).toBeGreaterThan(187);
    expect(paths).toContain("routeShards");
    expect(paths).toContain("podSecurityContext.runAsNonRoot");
  });
});

test("one error reports all empty values, and no other mistakes", async () => {
  const text = await refusal({ routeShards: null, controller: { replicas: null }, publicUrl: "" });
  expect(text).toContain(`  * ${sentence("controller.replicas")}\n  * ${sentence("routeShards")}\n`);
  expect(text).not.toContain("publicUrl");
});

describe("the chart refuses empty entries of users' own maps and lists, and the error names the entry", () => {
  const rows: Record<string, [values: object, path: string]> = {
    "a label of all objects": [{ commonLabels: { team: null } }, "commonLabels.team"],
    "an annotation": [
      { ingress: { annotations: { "a.example.com/b": null } } },
      "ingress.annotations.a.example.com/b",
    ],
    "a node selector": [{ receiver: { nodeSelector: { disk: null } } }, "receiver.nodeSelector.disk"],
    "an amount that has no default": [
      { controller: { resources: { limits: { cpu: null } } } },
      "controller.resources.limits.cpu",
    ],
    // An empty selector would select everything.
    "a selector of a NetworkPolicy": [
      { networkPolicy: { receiverFrom: [{ namespaceSelector: { matchLabels: null } }] } },
      "networkPolicy.receiverFrom[0].namespaceSelector.matchLabels",
    ],
    "a peer of a NetworkPolicy": [
      { networkPolicy: { egress: { kubernetesTo: [{ ipBlock: null }] } } },
      "networkPolicy.egress.kubernetesTo[0].ipBlock",
    ],
    "a port": [{ networkPolicy: { egress: { dnsPorts: [null] } } }, "networkPolicy.egress.dnsPorts[0]"],
    "a namespace": [{ watchNamespaces: [null] }, "watchNamespaces[0]"],
    "an environment variable": [
      { receiver: { extraEnv: [{ name: "A", value: null }] } },
      "receiver.extraEnv[0].value",
    ],
    "a toleration": [{ tolerations: [{ key: null }] }, "tolerations[0].key"],
    "a Gateway": [{ httpRoute: { parentRefs: [{ name: null }] } }, "httpRoute.parentRefs[0].name"],
    "an affinity": [{ receiver: { affinity: { nodeAffinity: null } } }, "receiver.affinity.nodeAffinity"],
    "a security context": [
      { containerSecurityContext: { seLinuxOptions: null } },
      "containerSecurityContext.seLinuxOptions",
    ],
    "an object": [{ extraObjects: [null] }, "extraObjects[0]"],
    "a whole image pull Secret": [{ imagePullSecrets: [null] }, "imagePullSecrets[0]"],
    "the name of an image pull Secret": [{ imagePullSecrets: [{ name: null }] }, "imagePullSecrets[0].name"],
    "the image pull Secrets of a parent chart": [
      { global: { imagePullSecrets: null } },
      "global.imagePullSecrets",
    ],
  };
  test.each(Object.entries(rows))("%s", async (_, [values, path]) => {
    expect(await refusal(values)).toContain(sentence(path));
  });
});

describe("empty strings and lists are refused where the default is not empty", () => {
  const rows: Record<string, [values: object, path: string]> = {
    "no repository": [{ image: { repository: "" } }, "image.repository"],
    "no repository of the evaluation database's image": [
      { evaluationDatabase: { image: { repository: "" } } },
      "evaluationDatabase.image.repository",
    ],
    "no size of the evaluation database's volume": [
      { evaluationDatabase: { storage: { size: "" } } },
      "evaluationDatabase.storage.size",
    ],
    "no key of the trusted certificates": [{ trustedCertificates: { key: "" } }, "trustedCertificates.key"],
    // In a NetworkPolicy an empty list of ports means every port.
    "no port for DNS": [{ networkPolicy: { egress: { dnsPorts: [] } } }, "networkPolicy.egress.dnsPorts"],
    "no port for Kubernetes": [
      { networkPolicy: { egress: { kubernetesPorts: [] } } },
      "networkPolicy.egress.kubernetesPorts",
    ],
    "no port for the database": [
      { networkPolicy: { egress: { databasePorts: [] } } },
      "networkPolicy.egress.databasePorts",
    ],
    "no port for Twilio": [
      { networkPolicy: { egress: { httpsPorts: [] } } },
      "networkPolicy.egress.httpsPorts",
    ],
  };
  test.each(Object.entries(rows))("%s", async (_, [values, path]) => {
    expect(await refusal(values)).toContain(`  * ${path} is empty: give it a value or remove the line\n`);
  });
});

describe("an empty value is refused even when the checks are skipped, if it would widen a right or a policy", () => {
  // `--skip-schema-validation` skips the schema, and the value `checked` skips the chart's own checks. A person may try both when a check
  // refuses a value.
  const unchecked = ["--skip-schema-validation", "--set=checked=true"];
  const rows: Record<string, [values: object, sentence: string]> = {
    "no shard, so a Role would name no Secret": [{ routeShards: 0 }, "routeShards must be 1 or more"],
    "no port in a NetworkPolicy": [
      { networkPolicy: { egress: { enabled: true, dnsPorts: [] } } },
      "networkPolicy.egress.dnsPorts must name a port",
    ],
  };
  test.each(Object.entries(rows))("%s", async (_, [values, sentence]) => {
    expect(await refused(merge(required, values), ...unchecked)).toContain(sentence);
  });
});

test("an upgrade with an older chart's values, which lack new keys, fails and names the Helm flag that adds them", async () => {
  // `helm upgrade --reuse-values` takes the older chart's defaults, so newly added keys are missing.
  const missing = { global: null, receiver: { extraVolumes: null }, containerSecurityContext: null };
  const text = await refused(merge(required, missing), "--is-upgrade");
  expect(text).toContain("upgrade with --reset-then-reuse-values instead");
  for (const path of ["global", "receiver.extraVolumes", "containerSecurityContext"])
    expect(text).toContain(sentence(path));
  expect(await refused(merge(required, missing))).not.toContain("--reset-then-reuse-values");
});

test("every template checks the values before anything else", async () => {
  const folder = join(CHART, "templates");
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(yaml|txt)$/.test(name));
  expect(names.length).toBeGreaterThan(30);
  for (const name of names) {
    const [first] = (await readFile(join(folder, name), "utf8")).split("\n");
    expect([name, first]).toEqual([
      name,
      expect.stringMatching(/^\{\{- include "smschannel\.check" \. -?\}\}$/),
    ]);
  }
});

describe("the chart as a part of a parent chart", () => {
  async function underParent(values: object): Promise<{ code: number | null; stderr: string }> {
    const parent = await mkdtemp(join(tmpdir(), "sms-parent-"));
    try {
      await mkdir(join(parent, "charts"));
      await cp(CHART, join(parent, "charts/sms-channel-operator"), { recursive: true });
      await writeFile(join(parent, "Chart.yaml"), "apiVersion: v2\nname: parent\nversion: 1.0.0\n");
      return await helm(["template", "sms", parent, "--values", "-"], values);
    } finally {
      await rm(parent, { recursive: true, force: true });
    }
  }
  const under = (values: object, global: object = {}) =>
    underParent({ "sms-channel-operator": merge(required, values), global });

  test("accepts good values, whatever else the parent has in global", async () => {
    expect(await under({}, { storageClass: null, other: { a: null } })).toMatchObject({ code: 0 });
  });

  test("refuses an empty value", async () => {
    expect((await under({ routeShards: null })).stderr).toContain(sentence("routeShards"));
    expect((await under({ controller: null })).stderr).toContain(sentence("controller"));
  });

  test("refuses an empty value that this chart reads from the parent's global values", async () => {
    expect((await under({}, { imageRegistry: null })).stderr).toContain(sentence("global.imageRegistry"));
  });
});
