import { expect, test } from "vitest";
import { render } from "./helm.ts";

const controllerOf = async (values: object, release: string) =>
  (await render(values, { release })).one("Deployment", "-controller").metadata.name;

const long = "a-release-name-that-is-as-long-as-helm-allows-them-53";

const rows: Record<string, [values: object, release: string, want: string]> = {
  "the release is named like the chart": [{}, "sms-channel-operator", "sms-channel-operator-controller"],
  "the chart's name is part of the release's": [
    {},
    "my-sms-channel-operator",
    "my-sms-channel-operator-controller",
  ],
  "the release has another name": [{}, "blue", "blue-sms-channel-operator-controller"],
  "the values set nameOverride": [{ nameOverride: "sms" }, "blue", "blue-sms-controller"],
  "the values set fullnameOverride": [{ fullnameOverride: "texts" }, "blue", "texts-controller"],
};
test.each(Object.entries(rows))("objects are named after release and chart, when %s", async (_, [
  values,
  release,
  want,
]) => {
  expect(await controllerOf(values, release)).toBe(want);
});

test("names that become labels or host names are short enough, however long the release's name is", async () => {
  expect(long).toHaveLength(53);
  // Kubernetes puts a StatefulSet's name into a label, together with a hash of 10 characters and a dash.
  const most: Record<string, number> = { Deployment: 63, StatefulSet: 52, Job: 63, Service: 63 };
  const rendered = await render({ evaluationDatabase: { enabled: true } }, { release: long });
  for (const [kind, length] of Object.entries(most))
    for (const { metadata } of rendered.of(kind)) expect(metadata.name.length).toBeLessThanOrEqual(length);
});

test("two releases with long names never share the name of an object", async () => {
  const names = async (release: string) =>
    (await render({ evaluationDatabase: { enabled: true } }, { release })).all
      .filter(({ kind }) => kind !== "CustomResourceDefinition")
      .map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  const rows: [one: string, other: string][] = [
    // The names of these two releases have the same first 40 characters.
    [`${long.slice(0, 51)}-a`, `${long.slice(0, 51)}-b`],
    [
      "a-sms-channel-operator-for-the-whole-of-the-north-1",
      "a-sms-channel-operator-for-the-whole-of-the-north-2",
    ],
  ];
  for (const [one, other] of rows) {
    const others = await names(other);
    expect((await names(one)).filter((name) => others.includes(name))).toEqual([]);
  }
});

test("a name of 40 characters stays as it is, and a longer name ends with a hash", async () => {
  const of = (length: number) => controllerOf({ fullnameOverride: "a".repeat(length) }, "blue");
  expect(await of(40)).toBe(`${"a".repeat(40)}-controller`);
  expect(await of(41)).toMatch(/^a{31}-[0-9a-f]{8}-controller$/);
});

test("a release name that looks like a number stays a string", async () => {
  const rendered = await render({ fullnameOverride: "texts", watchNamespaces: ["1e3"] }, { release: "123" });
  for (const { metadata } of rendered.all)
    expect(metadata.labels?.["app.kubernetes.io/instance"]).toBe("123");
  expect(rendered.all.map(({ metadata }) => metadata.namespace)).toContain("1e3");
});

test("the operator's INSTANCE follows the release's name, and never an override of the chart's names", async () => {
  const rendered = await render({ fullnameOverride: "texts" }, { release: "blue" });
  expect(rendered.env("Deployment", "-controller").INSTANCE).toBe("$(OPERATOR_NAMESPACE)/blue");
  expect(rendered.text).toContain("blue-receiver-0");
});

test("every object has the standard labels, the common labels and annotations, and a namespace", async () => {
  const rendered = await render({
    commonLabels: { team: "sms" },
    commonAnnotations: { "example.com/owner": "platform" },
    ingress: { enabled: true },
    evaluationDatabase: { enabled: true },
    monitoring: { monitor: "ServiceMonitor", rules: { enabled: true }, dashboard: { enabled: true } },
  });
  for (const { kind, metadata } of rendered.all) {
    expect([metadata.name, metadata.annotations]).toEqual([
      metadata.name,
      expect.objectContaining({ "example.com/owner": "platform" }),
    ]);
    expect([metadata.name, metadata.labels]).toEqual([
      metadata.name,
      expect.objectContaining({
        team: "sms",
        "app.kubernetes.io/instance": "sms-channel-operator",
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/version": "0.1.0",
      }),
    ]);
    if (!/^(Cluster|CustomResource)/.test(kind)) expect(metadata.namespace).toBe("sms");
  }
});
