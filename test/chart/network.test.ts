import { expect, test } from "vitest";
import { render } from "./helm.ts";

const all = { evaluationDatabase: { enabled: true } };

const policies = async (values: object) => {
  const rendered = await render(values);
  return Object.fromEntries(
    rendered
      .of("NetworkPolicy")
      .map(({ metadata, spec }) => [
        metadata.name.replace("sms-channel-operator-", ""),
        { types: spec.policyTypes, ingress: spec.ingress, egress: spec.egress },
      ]),
  );
};
const podsOf = (component: string) => ({
  "app.kubernetes.io/name": "sms-channel-operator",
  "app.kubernetes.io/instance": "sms-channel-operator",
  "app.kubernetes.io/component": component,
});
const monitoring = [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } }];

test("each process accepts only the connections that it needs, and by default may connect anywhere", async () => {
  const metrics = { ports: [{ port: "metrics" }], from: monitoring };
  const own = {
    "app.kubernetes.io/name": "sms-channel-operator",
    "app.kubernetes.io/instance": "sms-channel-operator",
  };
  const types = ["Ingress"];
  expect(await policies(all)).toEqual({
    controller: { types, ingress: [metrics] },
    receiver: { types, ingress: [{ ports: [{ port: "http" }] }, metrics] },
    migrations: { types, ingress: [] },
    release: { types, ingress: [] },
    test: { types, ingress: [] },
    database: {
      types: ["Ingress", "Egress"],
      ingress: [{ ports: [{ port: "postgresql" }], from: [{ podSelector: { matchLabels: own } }] }],
      egress: [],
    },
  });
});

test("every pod has exactly one NetworkPolicy", async () => {
  const rendered = await render(all);
  const selectors = rendered.of("NetworkPolicy").map(({ spec }) => spec.podSelector.matchLabels);
  for (const { of, labels } of rendered.pods()) {
    const matching = selectors.filter((selector) =>
      Object.entries(selector).every(([key, value]) => labels[key] === value),
    );
    expect([of, matching.length]).toEqual([of, 1]);
  }
});

test("the values can limit who may connect to the processes", async () => {
  const receiverFrom = [{ namespaceSelector: { matchLabels: { name: "ingress" } } }];
  const metricsFrom = [{ podSelector: { matchLabels: { app: "prometheus" } } }];
  const networkPolicy = { receiverFrom, metricsFrom };
  const { receiver } = await policies({ networkPolicy, tests: { enabled: false } });
  expect(receiver!.ingress).toEqual([
    { ports: [{ port: "http" }], from: receiverFrom },
    { ports: [{ port: "metrics" }], from: metricsFrom },
  ]);
  const { receiver: tested } = await policies({ networkPolicy });
  expect(tested!.ingress[0].from).toEqual([
    ...receiverFrom,
    { podSelector: { matchLabels: podsOf("test") } },
  ]);
});

test("by default only the namespace monitoring reaches the metrics ports, and the values can close or open them", async () => {
  const metricsOf = async (networkPolicy: object) => (await policies({ networkPolicy })).controller!.ingress;
  expect(await metricsOf({})).toEqual([{ ports: [{ port: "metrics" }], from: monitoring }]);
  expect(await metricsOf({ metricsFrom: [] })).toEqual([]);
  expect((await policies({ networkPolicy: { metricsFrom: [] } })).receiver!.ingress).toEqual([
    { ports: [{ port: "http" }] },
  ]);
  const everybody = [{ namespaceSelector: {} }];
  expect(await metricsOf({ metricsFrom: everybody })).toEqual([
    { ports: [{ port: "metrics" }], from: everybody },
  ]);
});

test("the values can limit where processes may connect to", async () => {
  const kubernetesTo = [{ ipBlock: { cidr: "10.0.0.1/32" } }];
  const databaseTo = [{ ipBlock: { cidr: "10.0.0.2/32" } }];
  const httpsTo = [{ ipBlock: { cidr: "0.0.0.0/0" } }];
  const egress = {
    enabled: true,
    kubernetesTo,
    databaseTo,
    httpsTo,
    kubernetesPorts: [16443],
    httpsPorts: [443, 3128],
  };
  const found = await policies({ networkPolicy: { egress } });
  const dns = {
    ports: [
      { port: 53, protocol: "UDP" },
      { port: 53, protocol: "TCP" },
    ],
  };
  const kubernetes = { ports: [{ port: 16443 }], to: kubernetesTo };
  const database = { ports: [{ port: 5432 }], to: databaseTo };
  const https = { ports: [{ port: 443 }, { port: 3128 }], to: httpsTo };
  expect(Object.fromEntries(Object.entries(found).map(([name, { egress }]) => [name, egress]))).toEqual({
    controller: [dns, kubernetes, https, database],
    receiver: [dns, kubernetes, database],
    migrations: [dns, database],
    release: [dns, kubernetes, https],
    test: [
      dns,
      { ports: [{ port: "http" }], to: [{ podSelector: { matchLabels: podsOf("receiver") } }] },
      database,
    ],
  });
  const anywhere = await policies({ networkPolicy: { egress: { enabled: true } } });
  expect(anywhere.migrations!.egress).toEqual([dns, { ports: [{ port: 5432 }] }]);
});

test("the NetworkPolicies can be left out", async () => {
  expect(await policies({ ...all, networkPolicy: { enabled: false } })).toEqual({});
});
