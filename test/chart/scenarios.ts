import { required } from "./values.ts";

/** Whole sets of values, for checks that look at everything that is rendered. Together they turn every switch. */
export const scenarios: Record<string, object> = {
  "as little as possible": required,
  "to try it out": {
    publicUrl: "https://sms.example.com",
    evaluationDatabase: { enabled: true, storage: { className: "fast" } },
    ingress: { enabled: true, className: "nginx" },
    uninstall: { webhooks: "Off" },
    tests: { enabled: false },
    monitoring: { monitor: "ServiceMonitor" },
  },
  "with everything": {
    publicUrl: "https://sms.example.com/team",
    fallbackPublicUrl: "https://sms2.example.com",
    httpRoute: {
      enabled: true,
      parentRefs: [{ name: "public", namespace: "gateways", sectionName: "https" }],
      annotations: { a: "b" },
      fallbackHost: true,
    },
    image: { registry: "registry.example.com", repository: "sms", digest: `sha256:${"0".repeat(64)}` },
    imagePullSecrets: [{ name: "registry" }],
    takeOverFrom: "sms/former",
    urlCheck: { mode: "report", address: "10.0.0.1:443" },
    database: { existingSecret: "roles", ownerSecret: "owner", ownerUrlKey: "uri", createRoles: true },
    twilio: { baseUrl: "http://simulator:4010" },
    proxy: { https: "http://proxy:3128", http: "http://proxy:3128", exclude: "example.com" },
    trustedCertificates: { configMap: "ca" },
    uninstall: { webhooks: "Restore" },
    controller: { extraEnv: [{ name: "A", value: "b" }], podAnnotations: { a: "b" }, podLabels: { c: "d" } },
    receiver: {
      autoscaling: { enabled: true, behavior: { scaleDown: { stabilizationWindowSeconds: 300 } } },
      service: { type: "LoadBalancer", port: 8080, nodePort: 30080, annotations: { a: "b" } },
      affinity: { nodeAffinity: {} },
    },
    commonLabels: { team: "sms" },
    nodeSelector: { disk: "ssd" },
    tolerations: [{ key: "sms", operator: "Exists" }],
    priorityClassName: "high",
    networkPolicy: {
      receiverFrom: [{ namespaceSelector: { matchLabels: { name: "ingress" } } }],
      metricsFrom: [{ podSelector: { matchLabels: { app: "prometheus" } } }],
      egress: {
        enabled: true,
        kubernetesTo: [{ ipBlock: { cidr: "10.0.0.1/32" } }],
        httpsPorts: [443, 3128],
      },
    },
    monitoring: {
      monitor: "PodMonitor",
      interval: "30s",
      labels: { release: "prometheus" },
      rules: { enabled: true, runbookUrl: "https://example.com/runbooks" },
      dashboard: { enabled: true, annotations: { folder: "SMS" } },
    },
  },
  "in named namespaces": {
    ...required,
    watchNamespaces: ["team-a", "team-b"],
    rbac: { clusterWideKinds: false },
    networkPolicy: { egress: { enabled: true } },
    trustedCertificates: { secret: "ca" },
    crds: { install: false },
    migrations: { enabled: false },
  },
};
