import { describe, expect, test } from "vitest";
import { refusal, render } from "./helm.ts";

// Wrong values fail before anything is applied, with a sentence that says what to write instead.

const rows: Record<string, [values: object, sentence: string]> = {
  "an empty publicUrl": [{ publicUrl: "" }, "publicUrl is empty: set it to the https URL"],
  "a publicUrl without a scheme": [{ publicUrl: "sms.example.com" }, "publicUrl must begin with https://"],
  "an http publicUrl": [
    { publicUrl: "http://sms.example.com" },
    "publicUrl must begin with https://, or somebody on the network",
  ],
  "a publicUrl with a query": [
    { publicUrl: "https://sms.example.com/?a" },
    "publicUrl must be https://host/path",
  ],
  "a publicUrl with a password": [
    { publicUrl: "https://a:b@sms.example.com" },
    "without user, query or fragment",
  ],
  "a publicUrl with a host that is known only in the cluster": [
    { publicUrl: "https://sms" },
    "known only inside the cluster",
  ],
  "an http fallbackPublicUrl": [
    { fallbackPublicUrl: "http://b.example.com" },
    "fallbackPublicUrl must begin with https",
  ],
  "an Ingress together with an HTTPRoute": [
    { ingress: { enabled: true }, httpRoute: { enabled: true, parentRefs: [{ name: "gate" }] } },
    "choose one way in",
  ],
  "an HTTPRoute without a Gateway": [{ httpRoute: { enabled: true } }, "httpRoute.parentRefs is empty"],
  "ingress.fallbackHost without a fallbackPublicUrl": [
    { ingress: { enabled: true, fallbackHost: true } },
    "ingress.fallbackHost is true but fallbackPublicUrl is empty",
  ],
  "an Ingress for a publicUrl with an IP address": [
    { ingress: { enabled: true }, publicUrl: "https://203.0.113.7" },
    "ingress.enabled needs a host name in publicUrl",
  ],
  "a node port for a Service of another type": [
    { receiver: { service: { nodePort: 30080 } } },
    "set the type to NodePort",
  ],
  "the tag latest": [{ image: { tag: "latest" } }, "image.tag is latest"],
  "the tag latest for the evaluation database": [
    { evaluationDatabase: { enabled: true, image: { tag: "latest" } } },
    "evaluationDatabase.image.tag is latest",
  ],
  "a minimum of replicas above the maximum": [
    { receiver: { autoscaling: { enabled: true, minReplicas: 11 } } },
    "receiver.autoscaling.minReplicas is greater than maxReplicas",
  ],
  "no Secret with database URLs": [
    { database: { existingSecret: "" } },
    "database.existingSecret is empty: name a Secret of namespace sms with a postgres:// URL under each of the keys owner-url, receiver-url, controller-url",
  ],
  "no Secret with the controller's database URL": [
    { database: { existingSecret: "", ownerSecret: "a", receiverSecret: "b" } },
    "under each of the keys controller-url",
  ],
  "no key for the receiver's URL": [{ database: { receiverUrlKey: "" } }, "database.receiverUrlKey is empty"],
  "trusted certificates from both a ConfigMap and a Secret": [
    { trustedCertificates: { configMap: "a", secret: "b" } },
    "trustedCertificates.configMap and trustedCertificates.secret are both set",
  ],
  "a duration in days": [{ resyncInterval: "1d" }, 'resyncInterval is "1d": write a duration such as 90s'],
  "an empty duration": [{ deleteTimeout: "" }, "deleteTimeout is empty"],
  "a pattern in watchNamespaces": [
    { watchNamespaces: ["team-*"] },
    'watchNamespaces: "team-*" is not a valid name',
  ],
  "namespaced rights on the kinds while all namespaces are watched": [
    { rbac: { clusterWideKinds: false } },
    "watchNamespaces is empty",
  ],
  "an instance that is not a valid name": [
    { instance: "A/b" },
    'instance is "A/b": write lower-case letters',
  ],
  "a takeOverFrom without a namespace": [
    { takeOverFrom: "other" },
    'takeOverFrom is "other": write it as in status.managedBy',
  ],
  "a urlCheck.address with a scheme": [
    { urlCheck: { address: "https://a" } },
    'urlCheck.address is "https://a": write host',
  ],
  // Without the chart's check, the API server would refuse the values in the rows below, some in the middle of an upgrade.
  "a host with letters beyond a to z": [
    { publicUrl: "https://sms.bücher.example" },
    "publicUrl has a host with letters beyond a to z: write it in the form that DNS uses, which begins with xn--",
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
    "has a host that is not a DNS name",
  ],
  "a host with a space": [{ publicUrl: "https://sms example.com" }, "has a host that is not a DNS name"],
  "a wildcard host": [{ publicUrl: "https://*.example.com" }, "has a host that is not a DNS name"],
  "a host whose label is too long": [
    { publicUrl: `https://${"a".repeat(64)}.example.com` },
    "has a host that is not a DNS name",
  ],
  "a port above 65535": [{ publicUrl: "https://sms.example.com:65536" }, "publicUrl has a port above 65535"],
  "a path with a space": [
    { publicUrl: "https://sms.example.com/a b" },
    "publicUrl has a path with characters that must be percent-encoded",
  ],
  "a path with a double slash": [
    { publicUrl: "https://sms.example.com/a//b" },
    "publicUrl has a path with //, /./, /../ or %2F",
  ],
  "a path with /..": [{ publicUrl: "https://sms.example.com/a/.." }, "has a path with //, /./, /../ or %2F"],
  "an Ingress for a fallbackPublicUrl with an IP address": [
    { ingress: { enabled: true, fallbackHost: true }, fallbackPublicUrl: "https://203.0.113.7" },
    "ingress.enabled needs a host name in fallbackPublicUrl",
  ],
  "a number as the value of a variable": [
    { controller: { extraEnv: [{ name: "A", value: 1 }] } },
    'controller.extraEnv: the value of A is not a string: write it in quotes, "1"',
  ],
  "a boolean as the value of a variable": [
    { receiver: { extraEnv: [{ name: "A", value: true }] } },
    'receiver.extraEnv: the value of A is not a string: write it in quotes, "true"',
  ],
  "a variable with both value and valueFrom": [
    { tests: { extraEnv: [{ name: "A", value: "1", valueFrom: { fieldRef: { fieldPath: "a" } } }] } },
    "tests.extraEnv: A has both value and valueFrom",
  ],
  "a variable without a name": [
    { controller: { extraEnv: [{ name: "", value: "1" }] } },
    'controller.extraEnv: "" is not a valid name of a variable',
  ],
  "a variable with an equals sign in its name": [
    { controller: { extraEnv: [{ name: "A=B", value: "1" }] } },
    'controller.extraEnv: "A=B" is not a valid name of a variable',
  ],
  "the same variable twice": [
    {
      controller: {
        extraEnv: [
          { name: "A", value: "1" },
          { name: "A", value: "2" },
        ],
      },
    },
    "controller.extraEnv sets A, which the chart sets or which is listed twice",
  ],
  "a variable that the chart sets": [
    { receiver: { extraEnv: [{ name: "METRICS_PORT", value: "1" }] } },
    "receiver.extraEnv sets METRICS_PORT, which the chart sets",
  ],
  "a variable that the chart sets, in the migrations Job": [
    { migrations: { extraEnv: [{ name: "LOG_LEVEL", value: "debug" }] } },
    "migrations.extraEnv sets LOG_LEVEL, which the chart sets",
  ],
  "a variable that the chart sets, in the uninstall Job": [
    { uninstall: { extraEnv: [{ name: "INSTANCE", value: "a" }] } },
    "uninstall.extraEnv sets INSTANCE, which the chart sets",
  ],
  "a variable that the chart sets because of another value": [
    { proxy: { https: "http://proxy:1" }, controller: { extraEnv: [{ name: "HTTPS_PROXY", value: "b" }] } },
    "controller.extraEnv sets HTTPS_PROXY, which the chart sets",
  ],
  "a variable for the database URL, which the chart gives as a file": [
    { receiver: { extraEnv: [{ name: "DATABASE_URL", value: "b" }] } },
    "receiver.extraEnv sets DATABASE_URL, which the chart sets",
  ],
  "a volume with the name of a volume of the chart": [
    { receiver: { extraVolumes: [{ name: "database", emptyDir: {} }] } },
    'receiver.extraVolumes has a volume "database", which the chart has',
  ],
  "a mount at a path where the chart mounts a volume": [
    {
      receiver: {
        extraVolumes: [{ name: "a", emptyDir: {} }],
        extraVolumeMounts: [{ name: "a", mountPath: "/etc/smschannel/database" }],
      },
    },
    "receiver.extraVolumeMounts: /etc/smschannel/database is taken",
  ],
  "a mount of a volume that does not exist": [
    { controller: { extraVolumeMounts: [{ name: "a", mountPath: "/a" }] } },
    'controller.extraVolumeMounts: there is no volume "a"',
  ],
  "a digest in a wrong form": [
    { image: { digest: "abc" } },
    'image.digest is "abc": write sha256: and 64 digits',
  ],
  "a digest that is too short": [
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
    'image is "https://registry.example.com/sms-channel-operator": leave out the scheme before the host',
  ],
  "a global.imageRegistry with a scheme": [
    { global: { imageRegistry: "https://registry.example.com" } },
    "leave out the scheme before the host",
  ],
  "a repository in capitals": [
    { image: { repository: "Team/SMS" } },
    'image is "Team/SMS", which is not a valid name',
  ],
  "a tag with a space": [{ image: { tag: "1 0" } }, 'image.tag is "1 0": write letters'],
  "no tag and no digest": [
    { evaluationDatabase: { enabled: true, image: { tag: "" } } },
    "evaluationDatabase.image.tag is empty: name a version, or set evaluationDatabase.image.digest",
  ],
  "memory in an unknown unit": [
    { controller: { resources: { limits: { memory: "512MB" } } } },
    'controller.resources.limits.memory is "512MB", which is not a valid amount: write one such as 100m or 0.5 (processors) or 512Mi or 1Gi (memory), or none to leave it out',
  ],
  "memory in an unknown unit, for a Job": [
    { uninstall: { resources: { requests: { memory: "1G b" } } } },
    'uninstall.resources.requests.memory is "1G b", which is not a valid amount',
  ],
  "a volume size in an unknown unit": [
    { evaluationDatabase: { storage: { size: "8GB" } } },
    'evaluationDatabase.storage.size is "8GB", which is not a valid amount: write one such as 100m or 0.5 (processors) or 512Mi or 1Gi (memory)\n',
  ],
  "a limit below the request": [
    { controller: { resources: { limits: { memory: "64Mi" } } } },
    "controller.resources.requests.memory is 192Mi, more than the limit 64Mi",
  ],
  "a limit below the request, in other units": [
    { receiver: { resources: { requests: { cpu: 1 }, limits: { cpu: "999m" } } } },
    "receiver.resources.requests.cpu is 1, more than the limit 999m",
  ],
  "a fullnameOverride with capitals": [
    { fullnameOverride: "Sms" },
    'fullnameOverride is "Sms": write lower-case letters',
  ],
  "a nameOverride with capitals": [
    { nameOverride: "My_Sms" },
    'nameOverride is "My_Sms": write lower-case letters',
  ],
  "a name that no Secret can have": [
    { database: { existingSecret: "My Secret" } },
    'database.existingSecret is "My Secret", which is not a valid name of an object',
  ],
  "a name that no ingress class can have": [
    { ingress: { enabled: true, className: "Nginx" } },
    'ingress.className is "Nginx", which is not a valid name of an object',
  ],
  "a key that no Secret can have": [
    { database: { ownerUrlKey: "owner url" } },
    'database.ownerUrlKey is "owner url", which is not a valid key of a Secret',
  ],
  "an image pull Secret without a name": [
    { imagePullSecrets: [{ secret: "a" }] },
    'imagePullSecrets[0] is {"secret":"a"}: write the name of a Secret',
  ],
  "a label whose value has a space": [
    { commonLabels: { team: "our team" } },
    'commonLabels: the label "team" is "our team": write letters',
  ],
  "a label whose name has a space": [
    { monitoring: { labels: { "a b": "c" } } },
    'monitoring.labels: "a b" is not a valid name',
  ],
  "a pod label that the chart sets": [
    { receiver: { podLabels: { "app.kubernetes.io/component": "a" } } },
    'receiver.podLabels: the chart itself sets the label "app.kubernetes.io/component"',
  ],
  "a PrometheusRule label that the chart sets": [
    { monitoring: { rules: { labels: { "helm.sh/chart": "a" } } } },
    'monitoring.rules.labels: the chart itself sets the label "helm.sh/chart"',
  ],
  "an annotation that the chart sets": [
    { commonAnnotations: { "argocd.argoproj.io/sync-wave": "7" } },
    'commonAnnotations: the chart itself sets the annotation "argocd.argoproj.io/sync-wave"',
  ],
  "an annotation whose name has a space": [
    { receiver: { service: { annotations: { "a b": "c" } } } },
    'receiver.service.annotations: "a b" is not a valid name of an annotation',
  ],
  "a NetworkPolicy peer with an address block and a selector": [
    { networkPolicy: { metricsFrom: [{ ipBlock: { cidr: "10.0.0.0/8" }, podSelector: {} }] } },
    "networkPolicy.metricsFrom[0] has an ipBlock and a selector",
  ],
  "an invalid range of addresses": [
    { networkPolicy: { receiverFrom: [{ ipBlock: { cidr: "10.0.0.300/8" } }] } },
    'networkPolicy.receiverFrom[0]: "10.0.0.300/8" is not a valid range of addresses',
  ],
  "an invalid exception to a range of addresses": [
    { networkPolicy: { receiverFrom: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0"] } }] } },
    'networkPolicy.receiverFrom[0]: "10.1.0.0" is not a valid range of addresses',
  ],
  "load balancer source ranges for a Service without a load balancer": [
    { receiver: { service: { loadBalancerSourceRanges: ["203.0.113.0/24"] } } },
    "receiver.service.loadBalancerSourceRanges is set but receiver.service.type is ClusterIP: set the type to LoadBalancer",
  ],
  "a load balancer class for a Service without a load balancer": [
    { receiver: { service: { type: "NodePort", loadBalancerClass: "example.com/a" } } },
    "receiver.service.loadBalancerClass is set but receiver.service.type is NodePort",
  ],
  "an external traffic policy for a Service inside the cluster": [
    { receiver: { service: { externalTrafficPolicy: "Local" } } },
    "receiver.service.externalTrafficPolicy is set but receiver.service.type is ClusterIP: set the type to NodePort or LoadBalancer",
  ],
  "a single address where a range is needed": [
    { receiver: { service: { type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.7"] } } },
    'receiver.service.loadBalancerSourceRanges: "203.0.113.7" is not a valid range of addresses',
  ],
  "a ServiceAccount that is neither created nor named": [
    { receiver: { serviceAccount: { create: false } } },
    "receiver.serviceAccount.create is false but name is empty",
  ],
  "one ServiceAccount for two processes": [
    { receiver: { serviceAccount: { name: "a" } }, controller: { serviceAccount: { name: "a" } } },
    "controller.serviceAccount.name and receiver.serviceAccount.name are the same",
  ],
  "the ServiceAccount of another process": [
    { receiver: { serviceAccount: { name: "sms-channel-operator-controller" } } },
    "each process would have the other's rights",
  ],
  "the DNS policy None without a name server": [
    { controller: { dnsPolicy: "None" } },
    "controller.dnsPolicy is None but",
  ],
  "a scrape interval without a unit": [
    { monitoring: { interval: "30" } },
    'monitoring.interval is "30": write a duration',
  ],
  "trusted certificates that contain no certificate": [
    { trustedCertificates: { pem: "MIIB" } },
    "trustedCertificates.pem holds no certificate",
  ],
  "a private key among the certificates": [
    { trustedCertificates: { pem: "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n" } },
    "trustedCertificates.pem holds a private key",
  ],
  "trusted certificates from both a Secret and a value": [
    { trustedCertificates: { pem: "-----BEGIN CERTIFICATE-----", secret: "a" } },
    "trustedCertificates.secret and trustedCertificates.pem are both set: choose one",
  ],
  "an additional object without a name": [
    { extraObjects: [{ apiVersion: "v1", kind: "ConfigMap" }] },
    "extraObjects[0] is not a manifest",
  ],
  // Most of the values in the rows below are refused by the chart's JSON schema.
  "an unknown key": [{ replicas: 3 }, "additional properties 'replicas' not allowed"],
  "an unknown key in a nested map": [
    { receiver: { service: { ports: 3 } } },
    "additional properties 'ports' not allowed",
  ],
  "an unknown mode of the URL check": [
    { urlCheck: { mode: "maybe" } },
    "value must be one of 'enforce', 'report', 'off'",
  ],
  "an egress policy that lacks the port of the proxy": [
    { proxy: { https: "http://proxy.example.com:3128" }, networkPolicy: { egress: { enabled: true } } },
    "networkPolicy.egress.httpsPorts lacks 3128, the port of proxy.https",
  ],
  "an egress policy that lacks the port of urlCheck.address": [
    { urlCheck: { address: "10.0.0.7:8443" }, networkPolicy: { egress: { enabled: true } } },
    "networkPolicy.egress.httpsPorts lacks 8443, the port of urlCheck.address",
  ],
  "a common label that the chart sets": [
    { commonLabels: { "app.kubernetes.io/name": "mine" } },
    'commonLabels: the chart itself sets the label "app.kubernetes.io/name": choose another key',
  ],
  "an empty NetworkPolicy peer": [
    { networkPolicy: { metricsFrom: [{}] } },
    "at '/networkPolicy/metricsFrom/0'",
  ],
  "an unknown key in a NetworkPolicy peer": [
    { networkPolicy: { metricsFrom: [{ namespace: "a" }] } },
    "additional properties 'namespace' not allowed",
  ],
  "an unknown field of resources": [
    { controller: { resources: { limit: { cpu: 1 } } } },
    "at '/controller/resources': additional properties 'limit' not allowed",
  ],
  "a topology spread constraint without its key": [
    { receiver: { topologySpreadConstraints: [{ maxSkew: 1 }] } },
    "missing properties 'topologyKey', 'whenUnsatisfiable'",
  ],
  "a volume without a name": [{ receiver: { extraVolumes: [{ emptyDir: {} }] } }, "missing property 'name'"],
  "a number as an argument": [{ receiver: { extraArgs: [1] } }, "at '/receiver/extraArgs/0': got number"],
  "a number as the name of a variable": [
    { receiver: { extraEnv: [{ name: 1 }] } },
    "at '/receiver/extraEnv/0/name': got number",
  ],
  "a string as an address block": [
    { networkPolicy: { metricsFrom: [{ ipBlock: "10.0.0.0/8" }] } },
    "at '/networkPolicy/metricsFrom/0/ipBlock': got string",
  ],
  "an additional object whose metadata is a string": [
    { extraObjects: [{ metadata: "a" }] },
    "at '/extraObjects/0/metadata'",
  ],
  "an unknown family of addresses": [
    { receiver: { service: { ipFamilies: ["IPv5"] } } },
    "value must be one of 'IPv4', 'IPv6'",
  ],
  "a number out of bounds": [{ routeShards: 65 }, "at '/routeShards': maximum: got 65, want 64"],
  "a string as a number of replicas": [
    { controller: { replicas: "two" } },
    "at '/controller/replicas': got string, want integer",
  ],
};

test.each(Object.entries(rows))("the chart refuses wrong values: %s", async (_, [values, sentence]) => {
  expect(await refusal(values)).toContain(sentence);
});

describe("the chart refuses a release name that Helm accepts and the API server would refuse", () => {
  const names: Record<string, [release: string, values: object, sentence: string]> = {
    "with a dot": ["sms.blue", {}, 'the release is named "sms.blue", and Services are named after it'],
    "with a digit at the start": ["1sms", {}, 'the release is named "1sms", and Services are named after it'],
    "with a dot, when only fullnameOverride is set": [
      "sms.blue",
      { fullnameOverride: "sms-blue" },
      'the release is named "sms.blue", and Secrets are named after it',
    ],
  };
  test.each(Object.entries(names))("%s", async (_, [release, values, sentence]) => {
    await expect(render(values, { release })).rejects.toThrow(sentence);
  });

  test("unless fullnameOverride and instance replace it in all names", async () => {
    const values = { fullnameOverride: "sms-blue", instance: "blue" };
    expect((await render(values, { release: "1sms.blue" })).all.length).toBeGreaterThan(10);
  });
});

test("one error of the chart reports all mistakes in its values", async () => {
  const text = await refusal({ publicUrl: "", resyncInterval: "1d", image: { tag: "latest" } });
  expect(text.match(/^ {2}\* /gm)).toHaveLength(3);
});

describe("the chart accepts values that only look like a mistake", () => {
  const fine: Record<string, object> = {
    "a public URL with a port and a path": { publicUrl: "https://sms.example.com:8443/sms/" },
    "an http URL where it is allowed": { publicUrl: "http://sms:8080", allowInsecurePublicUrl: true },
    "the tag latest with a digest": { image: { tag: "latest", digest: `sha256:${"0a".repeat(32)}` } },
    "a controller without a database URL": { database: { controllerUrlKey: "" } },
    "values of a parent chart": { global: { some: "thing" }, enabled: true },
    "no migrations and no owner's URL": { migrations: { enabled: false }, database: { ownerUrlKey: "" } },
    "an egress policy with only the port of the proxy": {
      proxy: { https: "http://proxy.example.com:3128" },
      networkPolicy: { egress: { enabled: true, httpsPorts: [3128] } },
    },
    "an egress policy with the defaults": { networkPolicy: { egress: { enabled: true } } },
    "a common label that the chart does not set": { commonLabels: { "app.kubernetes.io/owner": "platform" } },
    "an international host name in the form that DNS uses": {
      publicUrl: "https://sms.xn--bcher-kva.example",
    },
    "a host in capitals": { publicUrl: "https://SMS.Example.com" },
    "an IPv6 address": { publicUrl: "http://[fd00::1]:8080", allowInsecurePublicUrl: true },
    "a path with every character that a path may have": {
      publicUrl: "https://sms.example.com/~a/(b),c;d=e%20f",
    },
    "NODE_OPTIONS, which replace the chart's": {
      controller: { extraEnv: [{ name: "NODE_OPTIONS", value: "--dns-result-order=ipv4first" }] },
    },
    "a proxy that is set by a variable": {
      controller: { extraEnv: [{ name: "HTTPS_PROXY", value: "http://a:1" }] },
    },
    "resource amounts in several units": {
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
