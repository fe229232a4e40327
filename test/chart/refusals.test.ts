import { describe, expect, test } from "vitest";
import { refusal, render } from "./helm.ts";

// Wrong values fail before anything is applied, with a sentence that says what to write instead.

const rows: Record<string, [values: object, sentence: string]> = {
  "no publicUrl": [{ publicUrl: "" }, "publicUrl is empty: set it to the https URL"],
  "a publicUrl without a scheme": [{ publicUrl: "sms.example.com" }, "publicUrl must begin with https://"],
  "an http publicUrl": [
    { publicUrl: "http://sms.example.com" },
    "publicUrl must begin with https://, or a stranger",
  ],
  "a publicUrl with a query": [
    { publicUrl: "https://sms.example.com/?a" },
    "publicUrl must be https://host/path",
  ],
  "a publicUrl with a password": [
    { publicUrl: "https://a:b@sms.example.com" },
    "without user, query or fragment",
  ],
  "a publicUrl of the cluster's own": [{ publicUrl: "https://sms" }, "known only inside the cluster"],
  "an http fallbackPublicUrl": [
    { fallbackPublicUrl: "http://b.example.com" },
    "fallbackPublicUrl must begin with https",
  ],
  "two ways in": [
    { ingress: { enabled: true }, httpRoute: { enabled: true, parentRefs: [{ name: "gate" }] } },
    "choose one way in",
  ],
  "an HTTPRoute without a Gateway": [{ httpRoute: { enabled: true } }, "httpRoute.parentRefs is empty"],
  "a fallback host without a fallback": [
    { ingress: { enabled: true, fallbackHost: true } },
    "ingress.fallbackHost is true but fallbackPublicUrl is empty",
  ],
  "an Ingress for an address": [
    { ingress: { enabled: true }, publicUrl: "https://203.0.113.7" },
    "ingress.enabled needs a host name in publicUrl",
  ],
  "a node port without its type": [
    { receiver: { service: { nodePort: 30080 } } },
    "set the type to NodePort",
  ],
  "the tag latest": [{ image: { tag: "latest" } }, "image.tag is latest"],
  "the tag latest for the evaluation database": [
    { evaluationDatabase: { enabled: true, image: { tag: "latest" } } },
    "evaluationDatabase.image.tag is latest",
  ],
  "less than least": [
    { receiver: { autoscaling: { enabled: true, minReplicas: 11 } } },
    "receiver.autoscaling.minReplicas is greater than maxReplicas",
  ],
  "no database": [
    { database: { existingSecret: "" } },
    "database.existingSecret is empty: name a Secret of namespace sms with a postgres:// URL under each of the keys owner-url, receiver-url, controller-url",
  ],
  "no database for one": [
    { database: { existingSecret: "", ownerSecret: "a", receiverSecret: "b" } },
    "under each of the keys controller-url",
  ],
  "no key for the receiver's URL": [{ database: { receiverUrlKey: "" } }, "database.receiverUrlKey is empty"],
  "two sources of certificates": [
    { trustedCertificates: { configMap: "a", secret: "b" } },
    "trustedCertificates.configMap and trustedCertificates.secret are both set",
  ],
  "a duration in days": [{ resyncInterval: "1d" }, 'resyncInterval is "1d": write a duration such as 90s'],
  "no duration": [{ deleteTimeout: "" }, "deleteTimeout is empty"],
  "a pattern for namespaces": [{ watchNamespaces: ["team-*"] }, 'watchNamespaces: "team-*" is no name'],
  "namespaced kinds in all namespaces": [{ rbac: { clusterWideKinds: false } }, "watchNamespaces is empty"],
  "an instance that is no name": [{ instance: "A/b" }, 'instance is "A/b": write lower-case letters'],
  "a takeover without a namespace": [
    { takeOverFrom: "other" },
    'takeOverFrom is "other": write it as status.managedBy',
  ],
  "an address with a path": [
    { urlCheck: { address: "https://a" } },
    'urlCheck.address is "https://a": write host',
  ],
  // By the schema.
  "an unknown key": [{ replicas: 3 }, "additional properties 'replicas' not allowed"],
  "an unknown key further down": [
    { receiver: { service: { ports: 3 } } },
    "additional properties 'ports' not allowed",
  ],
  "a word that is none of the words": [
    { urlCheck: { mode: "maybe" } },
    "value must be one of 'enforce', 'report', 'off'",
  ],
  "a proxy that the egress policy leaves out": [
    { proxy: { https: "http://proxy.example.com:3128" }, networkPolicy: { egress: { enabled: true } } },
    "networkPolicy.egress.httpsPorts lacks 3128, the port of proxy.https",
  ],
  "a front door that the egress policy leaves out": [
    { urlCheck: { address: "10.0.0.7:8443" }, networkPolicy: { egress: { enabled: true } } },
    "networkPolicy.egress.httpsPorts lacks 8443, the port of urlCheck.address",
  ],
  "a label of the chart's own": [
    { commonLabels: { "app.kubernetes.io/name": "mine" } },
    "invalid propertyName 'app.kubernetes.io/name'",
  ],
  "a number out of bounds": [{ routeShards: 65 }, "at '/routeShards': maximum: got 65, want 64"],
  "a text for a number": [
    { controller: { replicas: "two" } },
    "at '/controller/replicas': got string, want integer",
  ],
};

test.each(Object.entries(rows))("%s", async (_, [values, sentence]) => {
  expect(await refusal(values)).toContain(sentence);
});

test("all mistakes are told at once", async () => {
  const text = await refusal({ publicUrl: "", resyncInterval: "1d", image: { tag: "latest" } });
  expect(text.match(/^ {2}\* /gm)).toHaveLength(3);
});

describe("what looks like a mistake and is none", () => {
  const fine: Record<string, object> = {
    "a public URL with a port and a path": { publicUrl: "https://sms.example.com:8443/sms/" },
    "an http URL where it is allowed": { publicUrl: "http://sms:8080", allowInsecurePublicUrl: true },
    "a tag beside a digest": { image: { tag: "latest", digest: "sha256:00" } },
    "a controller without a database": { database: { controllerUrlKey: "" } },
    "values of a parent chart": { global: { some: "thing" }, enabled: true },
    "no migrations and no owner's URL": { migrations: { enabled: false }, database: { ownerUrlKey: "" } },
    "an egress policy for a proxy alone": {
      proxy: { https: "http://proxy.example.com:3128" },
      networkPolicy: { egress: { enabled: true, httpsPorts: [3128] } },
    },
    "an egress policy with the defaults": { networkPolicy: { egress: { enabled: true } } },
    "a label of one's own": { commonLabels: { "app.kubernetes.io/owner": "platform" } },
    "durations of several units": { resyncInterval: "1h30m10s" },
  };
  test.each(Object.entries(fine))("%s", async (_, values) => {
    expect((await render(values)).all.length).toBeGreaterThan(10);
  });
});
