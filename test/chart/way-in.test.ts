import { expect, test } from "vitest";
import { render } from "./helm.ts";

test("by default the chart makes a Service, and no Ingress or HTTPRoute", async () => {
  const rendered = await render();
  expect(rendered.of("Ingress")).toEqual([]);
  expect(rendered.of("HTTPRoute")).toEqual([]);
  expect(rendered.one("Service").spec).toMatchObject({
    type: "ClusterIP",
    ports: [{ name: "http", port: 80, targetPort: "http", appProtocol: "http" }],
  });
});

test("the Service can be of the type LoadBalancer", async () => {
  const service = { type: "LoadBalancer", port: 8080, nodePort: 30080, annotations: { a: "b" } };
  const made = (await render({ receiver: { service } })).one("Service");
  expect(made.spec).toMatchObject({ type: "LoadBalancer", ports: [{ port: 8080, nodePort: 30080 }] });
  expect(made.metadata.annotations).toEqual({ a: "b" });
});

test("an Ingress serves the host of publicUrl, and only the operator's paths", async () => {
  const rendered = await render({
    publicUrl: "https://sms.example.com:8443/team/",
    ingress: { enabled: true, className: "nginx", annotations: { "cert-manager.io/cluster-issuer": "le" } },
  });
  const { metadata, spec } = rendered.one("Ingress");
  expect(metadata.annotations).toEqual({ "cert-manager.io/cluster-issuer": "le" });
  expect(spec.ingressClassName).toBe("nginx");
  expect(spec.tls).toEqual([{ hosts: ["sms.example.com"], secretName: "sms-channel-operator-tls" }]);
  const backend = { service: { name: "sms-channel-operator-receiver", port: { name: "http" } } };
  expect(spec.rules).toEqual([
    {
      host: "sms.example.com",
      http: {
        paths: ["/team/inbound", "/team/fallback", "/team/status"].map((path) => ({
          path,
          pathType: "Prefix",
          backend,
        })),
      },
    },
  ]);
});

test("an Ingress can go without TLS, use another certificate, and also serve the host of fallbackPublicUrl", async () => {
  const without = await render({ ingress: { enabled: true, tls: { enabled: false } } });
  expect(without.one("Ingress").spec).not.toHaveProperty("tls");
  expect(without.one("Ingress").spec).not.toHaveProperty("ingressClassName");
  const both = await render({
    fallbackPublicUrl: "https://sms2.example.com",
    ingress: { enabled: true, fallbackHost: true, tls: { secretName: "mine" } },
  });
  const hosts = ["sms.example.com", "sms2.example.com"];
  expect(both.one("Ingress").spec.tls).toEqual([{ hosts, secretName: "mine" }]);
  expect(both.one("Ingress").spec.rules.map(({ host }: { host: string }) => host)).toEqual(hosts);
});

test("a path stays percent-encoded, as Twilio requests it and as the API server requires it", async () => {
  const urls = {
    publicUrl: "https://sms.example.com:8443/a%20b/c%C3%A9/",
    fallbackPublicUrl: "https://b.example.com",
  };
  const below = (base: string) => ["inbound", "fallback", "status"].map((name) => `${base}/${name}`);
  const wanted = [...below("/a%20b/c%C3%A9"), ...below("")];
  const ingress = (await render({ ...urls, ingress: { enabled: true, fallbackHost: true } })).one("Ingress");
  expect(ingress.spec.rules[0].http.paths.map(({ path }: { path: string }) => path)).toEqual(wanted);
  const httpRoute = { enabled: true, parentRefs: [{ name: "public" }], fallbackHost: true };
  const [rule] = (await render({ ...urls, httpRoute })).one("HTTPRoute").spec.rules;
  expect(rule.matches.map(({ path }: { path: { value: string } }) => path.value)).toEqual(wanted);
});

test("Ingress and HTTPRoute also serve the paths below the path of fallbackPublicUrl", async () => {
  const urls = { publicUrl: "https://SMS.example.com/one", fallbackPublicUrl: "https://b.example.com/two/" };
  const wanted = [
    "/one/inbound",
    "/one/fallback",
    "/one/status",
    "/two/inbound",
    "/two/fallback",
    "/two/status",
  ];
  const ingress = (await render({ ...urls, ingress: { enabled: true, fallbackHost: true } })).one("Ingress");
  // Capitals make no difference in a host name, and an Ingress accepts only lower case.
  expect(ingress.spec.rules.map(({ host }: { host: string }) => host)).toEqual([
    "sms.example.com",
    "b.example.com",
  ]);
  for (const { http } of ingress.spec.rules)
    expect(http.paths.map(({ path }: { path: string }) => path)).toEqual(wanted);
  const httpRoute = { enabled: true, parentRefs: [{ name: "public" }], fallbackHost: true };
  const [rule] = (await render({ ...urls, httpRoute })).one("HTTPRoute").spec.rules;
  expect(rule.matches.map(({ path }: { path: { value: string } }) => path.value)).toEqual(wanted);
});

test("an HTTPRoute attaches to the named Gateway", async () => {
  const parentRefs = [{ name: "public", namespace: "gateways", sectionName: "https" }];
  const rendered = await render({
    fallbackPublicUrl: "https://sms2.example.com",
    httpRoute: { enabled: true, parentRefs, fallbackHost: true, annotations: { a: "b" } },
  });
  const { metadata, spec } = rendered.one("HTTPRoute");
  expect(metadata.annotations).toEqual({ a: "b" });
  expect(spec).toEqual({
    parentRefs,
    hostnames: ["sms.example.com", "sms2.example.com"],
    rules: [
      {
        matches: ["/inbound", "/fallback", "/status"].map((value) => ({
          path: { type: "PathPrefix", value },
        })),
        backendRefs: [{ name: "sms-channel-operator-receiver", port: 80 }],
      },
    ],
  });
});
