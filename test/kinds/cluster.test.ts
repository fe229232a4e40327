import { join, resolve } from "node:path";
import { ApiextensionsV1Api } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { parseSources } from "../../src/validate/source.ts";
import { validate } from "../../src/validate/validate.ts";
import { kubeconfigPath, kubectl, newNamespace } from "../support/cluster.ts";
import { kubeConfig } from "../support/crds.ts";

const root = resolve(import.meta.dirname, "../..");
const extensions = () => kubeConfig(kubeconfigPath()).makeApiClient(ApiextensionsV1Api);

const kinds = {
  workstreams: { short: "ws", columns: ["READY", "REASON", "NUMBER", "OPEN", "ACTIVE", "WAITING"] },
  smsnumbers: { short: "smsn", columns: ["READY", "REASON", "NUMBER", "STREAM"] },
  operatinghours: { short: "hours", columns: ["READY", "REASON", "OPEN", "NEXT"] },
};

for (const [plural, { short, columns }] of Object.entries(kinds)) {
  test(`${plural} are served, and the API server accepts their schema`, async () => {
    const crd = await extensions().readCustomResourceDefinition({ name: `${plural}.smschannel.dev` });
    const told = Object.fromEntries((crd.status?.conditions ?? []).map(({ type, status }) => [type, status]));
    expect(told.Established).toBe("True");
    // With the condition NonStructuralSchema the API server would neither prune unknown fields nor set defaults.
    expect(told.NonStructuralSchema).toBeUndefined();
  });

  test(`kubectl get ${short} shows the expected columns`, async () => {
    const namespace = await newNamespace("kinds");
    const applied = await kubectl(["apply", "-n", namespace, "-f", join(root, "examples")]);
    expect(applied.stderr).toBe("");
    const { stdout } = await kubectl(["get", short, "-n", namespace]);
    expect(stdout.split("\n")[0]?.split(/\s+/).filter(Boolean)).toEqual(["NAME", ...columns, "AGE"]);
    const wide = await kubectl(["get", short, "-n", namespace, "-o", "wide"]);
    expect(wide.stdout.split("\n")[0]?.split(/\s+/).filter(Boolean)).toEqual([
      "NAME",
      ...columns,
      "MESSAGE",
      "AGE",
    ]);
  });
}

test("kubectl apply -f crds/ changes nothing the second time", async () => {
  const { stdout, stderr } = await kubectl([
    "apply",
    "--dry-run=server",
    "--server-side",
    "--force-conflicts",
    "-f",
    join(root, "crds"),
  ]);
  expect(stderr).toBe("");
  expect(stdout.trim().split("\n")).toHaveLength(3);
});

test("kubectl get smschannel lists all kinds", async () => {
  const namespace = await newNamespace("kinds");
  await kubectl(["apply", "-n", namespace, "-f", join(root, "examples")]);
  const { stdout } = await kubectl(["get", "smschannel", "-n", namespace, "-o", "name"]);
  expect(stdout.trim().split("\n").sort()).toEqual([
    "operatinghours.smschannel.dev/support-hours",
    "smsnumber.smschannel.dev/support-line",
    "workstream.smschannel.dev/support",
  ]);
});

test("two field managers share a status, and neither takes a field from the other", async () => {
  const namespace = await newNamespace("kinds");
  await kubectl(["apply", "-n", namespace, "-f", join(root, "examples")]);
  const condition = {
    type: "Ready",
    status: "True",
    reason: "Ready",
    message: "",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  };
  const write = (manager: string, status: object) =>
    kubectl(
      [
        "apply",
        "--server-side",
        "--subresource=status",
        "-n",
        namespace,
        `--field-manager=${manager}`,
        "-f",
        "-",
      ],
      {
        input: JSON.stringify({
          apiVersion: "smschannel.dev/v1alpha1",
          kind: "WorkStream",
          metadata: { name: "support" },
          status,
        }),
      },
    );
  const byController = {
    managedBy: "a/b",
    conditions: [condition],
    appliedGeneration: { controller: 1, receiver: 1 },
  };
  expect((await write("controller", byController)).stderr).toBe("");
  expect(
    (await write("work", { conversations: { open: 3, active: 0 }, appliedGeneration: { work: 1 } })).stderr,
  ).toBe("");
  expect((await write("controller", { ...byController, managedBy: "a/b" })).stderr).toBe("");
  const { stdout } = await kubectl(["get", "ws", "support", "-n", namespace, "-o", "jsonpath={.status}"]);
  expect(JSON.parse(stdout)).toEqual({
    managedBy: "a/b",
    conditions: [condition],
    conversations: { open: 3, active: 0 },
    appliedGeneration: { controller: 1, receiver: 1, work: 1 },
  });
  const foreign = await write("another", { managedBy: "c/d" });
  expect(foreign.stderr).toContain("conflict");
});

/** YAML as a person types it. kubectl and our parser must read the same values from it. */
const typed: Record<string, [spec: string, complaint: string | undefined]> = {
  "a number in quotes": [`{workStreamRef: {name: a}, number: "14252306549"}`, undefined],
  "a number without quotes": ["{workStreamRef: {name: a}, number: 14252306549}", "must be of type string"],
  "a number without quotes and with a plus": [
    "{workStreamRef: {name: a}, number: +14252306549}",
    "must be of type string",
  ],
  "a number with underscores": [
    "{workStreamRef: {name: a}, number: 1_425_230_6549}",
    "must be of type string",
  ],
  "a short code with a zero in front, without quotes": [
    "{workStreamRef: {name: a}, type: ShortCode, number: 089454}",
    "must be of type string",
  ],
  "a description that YAML takes for false": [
    `{workStreamRef: {name: a}, number: "14252306549", description: no}`,
    'must be of type string: "boolean"',
  ],
  "a description of one letter that YAML takes for true": [
    `{workStreamRef: {name: a}, number: "14252306549", description: y}`,
    'must be of type string: "boolean"',
  ],
  "a stream's name that YAML takes for false": [
    `{workStreamRef: {name: n}, number: "14252306549"}`,
    'must be of type string: "boolean"',
  ],
  "suspend: yes": [`{workStreamRef: {name: a}, number: "14252306549", suspend: yes}`, undefined],
  "a description that looks like a date": [
    `{workStreamRef: {name: a}, number: "14252306549", description: 2026-12-24}`,
    undefined,
  ],
  "a description that looks like a time of day": [
    `{workStreamRef: {name: a}, number: "14252306549", description: 17:00}`,
    undefined,
  ],
};

for (const [name, [spec, complaint]] of Object.entries(typed)) {
  test(`API server and validator read a value in YAML in the same way: ${name}`, async () => {
    const namespace = await newNamespace("kinds");
    const input = `apiVersion: smschannel.dev/v1alpha1\nkind: SmsNumber\nmetadata: {name: typed}\nspec: ${spec}\n`;
    const server = await kubectl(["create", "--dry-run=server", "-n", namespace, "-f", "-"], { input });
    const { findings } = await validate([parseSources("typed.yaml", input)]);
    const errors = findings.filter(({ severity }) => severity === "error");
    expect({ server: server.code === 0, validator: errors.length === 0 }).toEqual({
      server: complaint === undefined,
      validator: complaint === undefined,
    });
    if (complaint === undefined) return;
    expect(server.stderr).toContain(complaint);
    expect(errors.map(({ message }) => message).join()).toContain(complaint);
  });
}
