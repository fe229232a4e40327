import { join } from "node:path";
import { type ChartValue, readValues } from "./chart-values.ts";

type ValuesSchema = Record<string, unknown>;

/**
 * A type that may also be null. templates/check/_check.tpl reports an empty value in a sentence, but Helm checks the schema first, so the
 * schema must allow it.
 */
const orEmpty = (type: string): ValuesSchema => ({ type: [type, "null"] });
const strings: ValuesSchema = { type: "object", additionalProperties: orEmpty("string") };
const anything: ValuesSchema = { type: "object" };
const port: ValuesSchema = { type: "integer", minimum: 1, maximum: 65535 };
const ports: ValuesSchema = { type: "array", items: { ...port, type: ["integer", "null"] } };
const texts: ValuesSchema = { type: "array", items: orEmpty("string") };
/** Fields that must be texts, because the checks in the templates parse them. */
const TEXTS = new Set(["name", "mountPath", "topologyKey", "whenUnsatisfiable"]);
/** A list of objects. Fields in `required` must be there. If `known` is given, no other fields are allowed. */
const objects = (required: string[] = [], known?: string[]): ValuesSchema => ({
  type: "array",
  items: {
    type: ["object", "null"],
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(
      (known ?? required).map((key) => [key, TEXTS.has(key) ? orEmpty("string") : {}]),
    ),
    ...(known === undefined ? {} : { additionalProperties: false }),
  },
});
const tolerations: ValuesSchema = objects([], ["key", "operator", "value", "effect", "tolerationSeconds"]);
const fields = (...known: string[]): ValuesSchema => ({
  type: "object",
  properties: Object.fromEntries(known.map((key) => [key, {}])),
  additionalProperties: false,
});
const selector: ValuesSchema = { type: ["object", "null"] };
const peers: ValuesSchema = {
  type: "array",
  items: {
    type: ["object", "null"],
    minProperties: 1,
    additionalProperties: false,
    properties: {
      podSelector: selector,
      namespaceSelector: selector,
      ipBlock: {
        type: ["object", "null"],
        required: ["cidr"],
        additionalProperties: false,
        properties: { cidr: orEmpty("string"), except: texts },
      },
    },
  },
};
const pullSecrets: ValuesSchema = { type: "array", items: { type: ["string", "object", "null"] } };
const resources: ValuesSchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    requests: { type: ["object", "null"], additionalProperties: { type: ["string", "number", "null"] } },
    limits: { type: ["object", "null"], additionalProperties: { type: ["string", "number", "null"] } },
    claims: objects(["name"]),
  },
};
const oneOf = (...values: string[]): ValuesSchema => ({ type: "string", enum: values });
const integer = (minimum: number, maximum: number): ValuesSchema => ({ type: "integer", minimum, maximum });

/**
 * The types that cannot be inferred from a value's default. A value that templates/check reports in a sentence has a wide type here: Helm
 * checks the schema first, and its "does not match pattern" does not say what to write instead.
 */
const rules: Record<string, ValuesSchema> = {
  "global.imagePullSecrets": pullSecrets,
  "ingress.annotations": strings,
  "httpRoute.parentRefs": objects(["name"]),
  "httpRoute.annotations": strings,
  "image.pullPolicy": oneOf("Always", "IfNotPresent", "Never"),
  imagePullSecrets: pullSecrets,
  watchNamespaces: { ...texts, uniqueItems: true },
  routeShards: integer(1, 64),
  maxStreamsPerNamespace: integer(1, 100_000),
  "urlCheck.mode": oneOf("enforce", "report", "off"),
  "uninstall.webhooks": oneOf("AsSpecified", "Restore", "Retain", "Off"),
  "uninstall.rights": oneOf("Auto", "Hook", "Lasting"),
  logLevel: oneOf("trace", "debug", "info", "warn", "error"),
  "evaluationDatabase.image.pullPolicy": oneOf("Always", "IfNotPresent", "Never"),
  "evaluationDatabase.userId": integer(1, 4294967294),
  "evaluationDatabase.storage.size": { type: ["string", "number"] },
  "evaluationDatabase.resources": resources,
  "migrations.backoffLimit": integer(0, 1000),
  ...process("controller"),
  ...process("receiver"),
  ...process("migrations"),
  ...process("uninstall"),
  ...process("tests"),
  ...deployment("controller"),
  ...deployment("receiver"),
  "controller.annotations": strings,
  "receiver.annotations": strings,
  "migrations.annotations": strings,
  "uninstall.annotations": strings,
  "controller.replicas": integer(0, 10),
  "receiver.replicas": integer(0, 1000),
  "receiver.shutdownDelaySeconds": integer(0, 600),
  "receiver.autoscaling.minReplicas": integer(1, 1000),
  "receiver.autoscaling.maxReplicas": integer(1, 1000),
  "receiver.autoscaling.targetCpuPercent": integer(1, 1000),
  "receiver.autoscaling.behavior": anything,
  "receiver.service.type": oneOf("ClusterIP", "NodePort", "LoadBalancer"),
  "receiver.service.port": port,
  "receiver.service.nodePort": integer(0, 65535),
  "receiver.service.annotations": strings,
  "receiver.service.loadBalancerSourceRanges": texts,
  "receiver.service.externalTrafficPolicy": oneOf("", "Cluster", "Local"),
  "receiver.service.ipFamilyPolicy": oneOf("", "SingleStack", "PreferDualStack", "RequireDualStack"),
  "receiver.service.ipFamilies": {
    type: "array",
    items: oneOf("IPv4", "IPv6"),
    uniqueItems: true,
    maxItems: 2,
  },
  commonLabels: strings,
  commonAnnotations: strings,
  nodeSelector: strings,
  tolerations,
  podSecurityContext: anything,
  containerSecurityContext: anything,
  "monitoring.monitor": oneOf("None", "PodMonitor", "ServiceMonitor"),
  "monitoring.labels": strings,
  "monitoring.rules.labels": strings,
  "monitoring.dashboard.labels": strings,
  "monitoring.dashboard.annotations": strings,
  "networkPolicy.receiverFrom": peers,
  "networkPolicy.metricsFrom": peers,
  "networkPolicy.egress.dnsPorts": ports,
  "networkPolicy.egress.kubernetesTo": peers,
  "networkPolicy.egress.kubernetesPorts": ports,
  "networkPolicy.egress.databaseTo": peers,
  "networkPolicy.egress.databasePorts": ports,
  "networkPolicy.egress.httpsTo": peers,
  "networkPolicy.egress.httpsPorts": ports,
  extraObjects: {
    type: "array",
    items: { type: ["object", "string", "null"], properties: { metadata: { type: ["object", "null"] } } },
  },
};

/** The chart values that every process has. Each key begins with the process's name. */
function process(name: string): Record<string, ValuesSchema> {
  return {
    [`${name}.resources`]: resources,
    [`${name}.extraEnv`]: objects(["name"], ["name", "value", "valueFrom"]),
    [`${name}.extraArgs`]: texts,
    [`${name}.extraVolumes`]: objects(["name"]),
    [`${name}.extraVolumeMounts`]: objects(["name", "mountPath"]),
    [`${name}.podAnnotations`]: strings,
    [`${name}.podLabels`]: strings,
    [`${name}.nodeSelector`]: strings,
    [`${name}.tolerations`]: tolerations,
    [`${name}.affinity`]: fields("nodeAffinity", "podAffinity", "podAntiAffinity"),
    [`${name}.dnsPolicy`]: oneOf("", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    [`${name}.dnsConfig`]: fields("nameservers", "searches", "options"),
    [`${name}.serviceAccount.annotations`]: strings,
  };
}

/** The chart values that only a process with a Deployment has. */
function deployment(name: string): Record<string, ValuesSchema> {
  return {
    [`${name}.topologySpreadConstraints`]: objects(["maxSkew", "topologyKey", "whenUnsatisfiable"]),
    [`${name}.strategy`]: {
      type: "object",
      additionalProperties: false,
      properties: { type: oneOf("RollingUpdate", "Recreate"), rollingUpdate: anything },
    },
  };
}

/**
 * Makes `values.schema.json`, with the description of each key. It allows exactly the keys of values.yaml, so that a misspelt key fails the
 * install.
 */
export function chartSchema(root: string): [string, string][] {
  const chart = "charts/sms-channel-operator";
  const values = readValues(join(root, chart)).flatMap((section) => section.values);
  const used = new Set(values.map(({ path }) => path.join(".")));
  const stray = Object.keys(rules).filter((path) => !used.has(path));
  if (stray.length > 0)
    throw new Error(`chart-schema.ts has rules for keys that values.yaml does not have: ${stray.join(", ")}`);
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart sms-channel-operator",
    ...objectOf(values, 0),
  };
  // The schema allows `global` and `enabled`, because a parent chart passes them to every subchart. `global` may contain values for the
  // parent's other subcharts.
  Object.assign(schema.properties.global!, { additionalProperties: true });
  Object.assign(schema.properties, { enabled: { type: "boolean" } });
  return [[`${chart}/values.schema.json`, `${JSON.stringify(schema, undefined, 2)}\n`]];
}

function objectOf(
  values: ChartValue[],
  depth: number,
): { properties: Record<string, ValuesSchema> } & ValuesSchema {
  const properties: Record<string, ValuesSchema> = {};
  for (const [key, of] of Map.groupBy(values, ({ path }) => path[depth]!)) {
    const [first] = of;
    properties[key] = first!.path.length === depth + 1 ? schemaOf(first!) : objectOf(of, depth + 1);
  }
  return { type: "object", additionalProperties: false, properties };
}

function schemaOf({ path, description, default: value }: ChartValue): ValuesSchema {
  const name = path.join(".");
  const known = rules[name] ?? inferred(value);
  if (known === undefined) throw new Error(`chart-schema.ts needs a rule for ${name}`);
  return { description, ...known };
}

function inferred(value: unknown): ValuesSchema | undefined {
  if (typeof value === "string" || typeof value === "boolean") return { type: typeof value };
  return undefined;
}
