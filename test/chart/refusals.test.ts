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
  // What the API server would refuse later, some of it in the middle of an upgrade.
  "a host in letters of its country": [
    { publicUrl: "https://sms.bücher.example" },
    "publicUrl has a host with letters beyond a to z: write it as DNS has it, beginning with xn--",
  ],
  "a host with an underscore": [
    { publicUrl: "https://sms_in.example.com" },
    "publicUrl has a host with an underscore",
  ],
  "a fallback host with an underscore": [
    { fallbackPublicUrl: "https://b_.example.com" },
    "fallbackPublicUrl has a host with an underscore",
  ],
  "a host that ends with a dot": [
    { publicUrl: "https://sms.example.com." },
    "has a host that is no DNS name",
  ],
  "a host with a blank": [{ publicUrl: "https://sms example.com" }, "has a host that is no DNS name"],
  "a host for all names": [{ publicUrl: "https://*.example.com" }, "has a host that is no DNS name"],
  "a host whose label is too long": [
    { publicUrl: `https://${"a".repeat(64)}.example.com` },
    "has a host that is no DNS name",
  ],
  "a port that is none": [{ publicUrl: "https://sms.example.com:65536" }, "publicUrl has a port above 65535"],
  "a path with a blank": [
    { publicUrl: "https://sms.example.com/a b" },
    "publicUrl has a path with characters that must be percent-encoded",
  ],
  "a path with a double slash": [
    { publicUrl: "https://sms.example.com/a//b" },
    "publicUrl has a path with //, /./, /../ or %2F",
  ],
  "a path that goes up": [
    { publicUrl: "https://sms.example.com/a/.." },
    "has a path with //, /./, /../ or %2F",
  ],
  "an Ingress for a fallback's address": [
    { ingress: { enabled: true, fallbackHost: true }, fallbackPublicUrl: "https://203.0.113.7" },
    "ingress.enabled needs a host name in fallbackPublicUrl",
  ],
  "a number for a variable": [
    { controller: { extraEnv: [{ name: "A", value: 1 }] } },
    'controller.extraEnv: the value of A is no text: write it in quotes, "1"',
  ],
  "a truth for a variable": [
    { receiver: { extraEnv: [{ name: "A", value: true }] } },
    'receiver.extraEnv: the value of A is no text: write it in quotes, "true"',
  ],
  "a variable with two values": [
    { tests: { extraEnv: [{ name: "A", value: "1", valueFrom: { fieldRef: { fieldPath: "a" } } }] } },
    "tests.extraEnv: A has both value and valueFrom",
  ],
  "a variable without a name": [
    { controller: { extraEnv: [{ name: "", value: "1" }] } },
    'controller.extraEnv: "" is no name of a variable',
  ],
  "a variable with an equals sign": [
    { controller: { extraEnv: [{ name: "A=B", value: "1" }] } },
    'controller.extraEnv: "A=B" is no name of a variable',
  ],
  "a variable twice": [
    {
      controller: {
        extraEnv: [
          { name: "A", value: "1" },
          { name: "A", value: "2" },
        ],
      },
    },
    "controller.extraEnv sets A, which the chart sets or which is there twice",
  ],
  "a variable of the chart's": [
    { receiver: { extraEnv: [{ name: "METRICS_PORT", value: "1" }] } },
    "receiver.extraEnv sets METRICS_PORT, which the chart sets",
  ],
  "a variable of the chart's, in a Job": [
    { migrations: { extraEnv: [{ name: "LOG_LEVEL", value: "debug" }] } },
    "migrations.extraEnv sets LOG_LEVEL, which the chart sets",
  ],
  "a variable of the chart's, before an uninstall": [
    { uninstall: { extraEnv: [{ name: "INSTANCE", value: "a" }] } },
    "uninstall.extraEnv sets INSTANCE, which the chart sets",
  ],
  "a variable that the chart sets only now": [
    { proxy: { https: "http://proxy:1" }, controller: { extraEnv: [{ name: "HTTPS_PROXY", value: "b" }] } },
    "controller.extraEnv sets HTTPS_PROXY, which the chart sets",
  ],
  "the database's URL beside its file": [
    { receiver: { extraEnv: [{ name: "DATABASE_URL", value: "b" }] } },
    "receiver.extraEnv sets DATABASE_URL, which the chart sets",
  ],
  "a volume of the chart's": [
    { receiver: { extraVolumes: [{ name: "database", emptyDir: {} }] } },
    'receiver.extraVolumes has a volume "database", which the chart has',
  ],
  "a mount where the chart has one": [
    {
      receiver: {
        extraVolumes: [{ name: "a", emptyDir: {} }],
        extraVolumeMounts: [{ name: "a", mountPath: "/etc/smschannel/database" }],
      },
    },
    "receiver.extraVolumeMounts: /etc/smschannel/database is taken",
  ],
  "a mount of no volume": [
    { controller: { extraVolumeMounts: [{ name: "a", mountPath: "/a" }] } },
    'controller.extraVolumeMounts: there is no volume "a"',
  ],
  "a digest that is none": [
    { image: { digest: "abc" } },
    'image.digest is "abc": write sha256: and 64 digits',
  ],
  "a digest that is cut off": [
    { evaluationDatabase: { enabled: true, image: { digest: "sha256:0a" } } },
    'evaluationDatabase.image.digest is "sha256:0a"',
  ],
  "a tag in the repository": [
    { image: { repository: "registry.example.com:5000/sms:1.0" } },
    'image.repository is "registry.example.com:5000/sms:1.0": put the tag into image.tag',
  ],
  "a digest in the repository": [
    { image: { repository: "sms@sha256:00" } },
    "put the tag into image.tag, a digest into image.digest",
  ],
  "a registry with a scheme": [
    { image: { registry: "https://registry.example.com" } },
    'image is "https://registry.example.com/sms-channel-operator": leave out what stands before the host',
  ],
  "a registry of all charts with a scheme": [
    { global: { imageRegistry: "https://registry.example.com" } },
    "leave out what stands before the host",
  ],
  "a repository in capitals": [
    { image: { repository: "Team/SMS" } },
    'image is "Team/SMS", which is no name',
  ],
  "a tag with a blank": [{ image: { tag: "1 0" } }, 'image.tag is "1 0": write letters'],
  "no tag and no digest": [
    { evaluationDatabase: { enabled: true, image: { tag: "" } } },
    "evaluationDatabase.image.tag is empty: name a version, or set evaluationDatabase.image.digest",
  ],
  "memory in a unit that is none": [
    { controller: { resources: { limits: { memory: "512MB" } } } },
    'controller.resources.limits.memory is "512MB", which is no amount',
  ],
  "memory in a unit that is none, of a Job": [
    { uninstall: { resources: { requests: { memory: "1G b" } } } },
    'uninstall.resources.requests.memory is "1G b", which is no amount',
  ],
  "a volume in a unit that is none": [
    { evaluationDatabase: { storage: { size: "8GB" } } },
    'evaluationDatabase.storage.size is "8GB", which is no amount',
  ],
  "a limit below the request": [
    { controller: { resources: { limits: { memory: "64Mi" } } } },
    "controller.resources.requests.memory is 192Mi, more than the limit 64Mi",
  ],
  "a limit below the request, in other units": [
    { receiver: { resources: { requests: { cpu: 1 }, limits: { cpu: "999m" } } } },
    "receiver.resources.requests.cpu is 1, more than the limit 999m",
  ],
  "a name in capitals": [{ fullnameOverride: "Sms" }, 'fullnameOverride is "Sms": write lower-case letters'],
  "a chart's name in capitals": [
    { nameOverride: "My_Sms" },
    'nameOverride is "My_Sms": write lower-case letters',
  ],
  "a Secret that has no name of one": [
    { database: { existingSecret: "My Secret" } },
    'database.existingSecret is "My Secret", which is no name of an object',
  ],
  "a class that has no name of one": [
    { ingress: { enabled: true, className: "Nginx" } },
    'ingress.className is "Nginx", which is no name of an object',
  ],
  "a key that is none": [
    { database: { ownerUrlKey: "owner url" } },
    'database.ownerUrlKey is "owner url", which is no key of a Secret',
  ],
  "a Secret to pull with that has no name": [
    { imagePullSecrets: [{ secret: "a" }] },
    'imagePullSecrets[0] is {"secret":"a"}: write the name of a Secret',
  ],
  "a label's value with a blank": [
    { commonLabels: { team: "our team" } },
    'commonLabels: the label "team" is "our team": write letters',
  ],
  "a label's name with a blank": [
    { monitoring: { labels: { "a b": "c" } } },
    'monitoring.labels: "a b" is no name',
  ],
  "a label of pods that the chart sets": [
    { receiver: { podLabels: { "app.kubernetes.io/component": "a" } } },
    'receiver.podLabels: the chart itself sets the label "app.kubernetes.io/component"',
  ],
  "a label of rules that the chart sets": [
    { monitoring: { rules: { labels: { "helm.sh/chart": "a" } } } },
    'monitoring.rules.labels: the chart itself sets the label "helm.sh/chart"',
  ],
  "an annotation that the chart sets": [
    { commonAnnotations: { "argocd.argoproj.io/sync-wave": "7" } },
    'commonAnnotations: the chart itself sets the annotation "argocd.argoproj.io/sync-wave"',
  ],
  "an annotation's name with a blank": [
    { receiver: { service: { annotations: { "a b": "c" } } } },
    'receiver.service.annotations: "a b" is no name of an annotation',
  ],
  "a peer that is an address and a selector": [
    { networkPolicy: { metricsFrom: [{ ipBlock: { cidr: "10.0.0.0/8" }, podSelector: {} }] } },
    "networkPolicy.metricsFrom[0] has an ipBlock beside a selector",
  ],
  "a range of addresses that is none": [
    { networkPolicy: { receiverFrom: [{ ipBlock: { cidr: "10.0.0.300/8" } }] } },
    'networkPolicy.receiverFrom[0]: "10.0.0.300/8" is no range of addresses',
  ],
  "an exception that is none": [
    { networkPolicy: { receiverFrom: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0"] } }] } },
    'networkPolicy.receiverFrom[0]: "10.1.0.0" is no range of addresses',
  ],
  "addresses for a Service without a load balancer": [
    { receiver: { service: { loadBalancerSourceRanges: ["203.0.113.0/24"] } } },
    "receiver.service.loadBalancerSourceRanges is set but receiver.service.type is ClusterIP: set the type to LoadBalancer",
  ],
  "a class of load balancers without one": [
    { receiver: { service: { type: "NodePort", loadBalancerClass: "example.com/a" } } },
    "receiver.service.loadBalancerClass is set but receiver.service.type is NodePort",
  ],
  "outside traffic for a Service of the inside": [
    { receiver: { service: { externalTrafficPolicy: "Local" } } },
    "receiver.service.externalTrafficPolicy is set but receiver.service.type is ClusterIP: set the type to NodePort or LoadBalancer",
  ],
  "an address for a range": [
    { receiver: { service: { type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.7"] } } },
    'receiver.service.loadBalancerSourceRanges: "203.0.113.7" is no range of addresses',
  ],
  "an account that nobody makes": [
    { receiver: { serviceAccount: { create: false } } },
    "receiver.serviceAccount.create is false but name is empty",
  ],
  "one account for two processes": [
    { receiver: { serviceAccount: { name: "a" } }, controller: { serviceAccount: { name: "a" } } },
    "controller.serviceAccount.name and receiver.serviceAccount.name are the same",
  ],
  "the account of another process": [
    { receiver: { serviceAccount: { name: "sms-channel-operator-controller" } } },
    "each process would have the other's rights",
  ],
  "no server for names": [{ controller: { dnsPolicy: "None" } }, "controller.dnsPolicy is None but"],
  "an interval that is none": [
    { monitoring: { interval: "30" } },
    'monitoring.interval is "30": write a duration',
  ],
  "certificates that are none": [
    { trustedCertificates: { pem: "MIIB" } },
    "trustedCertificates.pem holds no certificate",
  ],
  "a private key among the certificates": [
    { trustedCertificates: { pem: "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n" } },
    "trustedCertificates.pem holds a private key",
  ],
  "certificates from two places": [
    { trustedCertificates: { pem: "-----BEGIN CERTIFICATE-----", secret: "a" } },
    "trustedCertificates.secret and trustedCertificates.pem are both set: choose one",
  ],
  "an object without a name": [
    { extraObjects: [{ apiVersion: "v1", kind: "ConfigMap" }] },
    "extraObjects[0] is no manifest",
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
    'commonLabels: the chart itself sets the label "app.kubernetes.io/name": choose another key',
  ],
  "a peer of nobody": [{ networkPolicy: { metricsFrom: [{}] } }, "at '/networkPolicy/metricsFrom/0'"],
  "a peer of an unknown kind": [
    { networkPolicy: { metricsFrom: [{ namespace: "a" }] } },
    "additional properties 'namespace' not allowed",
  ],
  "a field of resources that is none": [
    { controller: { resources: { limit: { cpu: 1 } } } },
    "at '/controller/resources': additional properties 'limit' not allowed",
  ],
  "a spread without its key": [
    { receiver: { topologySpreadConstraints: [{ maxSkew: 1 }] } },
    "missing properties 'topologyKey', 'whenUnsatisfiable'",
  ],
  "a volume without a name": [{ receiver: { extraVolumes: [{ emptyDir: {} }] } }, "missing property 'name'"],
  "a number for an argument": [{ receiver: { extraArgs: [1] } }, "at '/receiver/extraArgs/0': got number"],
  "a number for a variable's name": [
    { receiver: { extraEnv: [{ name: 1 }] } },
    "at '/receiver/extraEnv/0/name': got number",
  ],
  "a text for an address block": [
    { networkPolicy: { metricsFrom: [{ ipBlock: "10.0.0.0/8" }] } },
    "at '/networkPolicy/metricsFrom/0/ipBlock': got string",
  ],
  "an object whose metadata is a text": [
    { extraObjects: [{ metadata: "a" }] },
    "at '/extraObjects/0/metadata'",
  ],
  "a family of addresses that is none": [
    { receiver: { service: { ipFamilies: ["IPv5"] } } },
    "value must be one of 'IPv4', 'IPv6'",
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

describe("a release name that Helm takes and the API server does not is refused by its name", () => {
  const names: Record<string, [release: string, values: object, sentence: string]> = {
    "with a dot": ["sms.blue", {}, 'the release is named "sms.blue", of which names of Services are made'],
    "with a digit in front": ["1sms", {}, 'the release is named "1sms", of which names of Services are made'],
    "with a dot, where only the objects are named otherwise": [
      "sms.blue",
      { fullnameOverride: "sms-blue" },
      'the release is named "sms.blue", of which names of Secrets are made',
    ],
  };
  test.each(Object.entries(names))("%s", async (_, [release, values, sentence]) => {
    await expect(render(values, { release })).rejects.toThrow(sentence);
  });

  test("except when everything that is made of the name is named otherwise", async () => {
    const values = { fullnameOverride: "sms-blue", instance: "blue" };
    expect((await render(values, { release: "1sms.blue" })).all.length).toBeGreaterThan(10);
  });
});

test("all mistakes are reported at once", async () => {
  const text = await refusal({ publicUrl: "", resyncInterval: "1d", image: { tag: "latest" } });
  expect(text.match(/^ {2}\* /gm)).toHaveLength(3);
});

describe("values that look like a mistake and are none are taken", () => {
  const fine: Record<string, object> = {
    "a public URL with a port and a path": { publicUrl: "https://sms.example.com:8443/sms/" },
    "an http URL where it is allowed": { publicUrl: "http://sms:8080", allowInsecurePublicUrl: true },
    "a tag beside a digest": { image: { tag: "latest", digest: `sha256:${"0a".repeat(32)}` } },
    "a controller without a database": { database: { controllerUrlKey: "" } },
    "values of a parent chart": { global: { some: "thing" }, enabled: true },
    "no migrations and no owner's URL": { migrations: { enabled: false }, database: { ownerUrlKey: "" } },
    "an egress policy for a proxy alone": {
      proxy: { https: "http://proxy.example.com:3128" },
      networkPolicy: { egress: { enabled: true, httpsPorts: [3128] } },
    },
    "an egress policy with the defaults": { networkPolicy: { egress: { enabled: true } } },
    "a label of one's own": { commonLabels: { "app.kubernetes.io/owner": "platform" } },
    "a host that is written as DNS has it": { publicUrl: "https://sms.xn--bcher-kva.example" },
    "a host in capitals": { publicUrl: "https://SMS.Example.com" },
    "an address in the sixth version": { publicUrl: "http://[fd00::1]:8080", allowInsecurePublicUrl: true },
    "a path with what may stand there": { publicUrl: "https://sms.example.com/~a/(b),c;d=e%20f" },
    "options of Node instead of the chart's": {
      controller: { extraEnv: [{ name: "NODE_OPTIONS", value: "--dns-result-order=ipv4first" }] },
    },
    "a proxy by a variable": { controller: { extraEnv: [{ name: "HTTPS_PROXY", value: "http://a:1" }] } },
    "amounts in all their units": {
      controller: { resources: { requests: { cpu: 0.5, memory: "1.5e8" }, limits: { memory: 300000000 } } },
      receiver: { resources: { requests: { cpu: "1500m" }, limits: { cpu: 2, memory: "1Gi" } } },
    },
    "a namespace whose name is a number": { watchNamespaces: ["123"] },
    "durations of several units": { resyncInterval: "1h30m10s" },
  };
  test.each(Object.entries(fine))("%s", async (_, values) => {
    expect((await render(values)).all.length).toBeGreaterThan(10);
  });
});
