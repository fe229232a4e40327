import { join } from "node:path";
import { readValues, type Value } from "./chart-values.ts";

type Schema = Record<string, unknown>;

/** Labels that the chart sets itself: given twice, they would make YAML that each parser reads in another way. */
const labels: Schema = {
  type: "object",
  additionalProperties: { type: "string" },
  propertyNames: {
    not: {
      pattern:
        "^(app\\.kubernetes\\.io/(name|instance|component|part-of|managed-by|version)|helm\\.sh/chart)$",
    },
  },
};
const strings: Schema = { type: "object", additionalProperties: { type: "string" } };
const objects: Schema = { type: "array", items: { type: "object" } };
const anything: Schema = { type: "object" };
const port: Schema = { type: "integer", minimum: 1, maximum: 65535 };
const ports: Schema = { type: "array", items: port };
const env: Schema = {
  type: "array",
  items: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
};
const oneOf = (...values: string[]): Schema => ({ type: "string", enum: values });
const integer = (minimum: number, maximum: number): Schema => ({ type: "integer", minimum, maximum });

/**
 * What a value's default does not tell of its type. Whatever has a sentence of its own (templates/_validate.tpl) is kept
 * wide here: Helm asks the schema first, and "does not match pattern" helps nobody.
 */
const rules: Record<string, Schema> = {
  "ingress.annotations": strings,
  "httpRoute.parentRefs": objects,
  "httpRoute.annotations": strings,
  "image.pullPolicy": oneOf("Always", "IfNotPresent", "Never"),
  imagePullSecrets: objects,
  watchNamespaces: { type: "array", items: { type: "string" }, uniqueItems: true },
  routeShards: integer(1, 64),
  maxStreamsPerNamespace: integer(1, 100_000),
  "urlCheck.mode": oneOf("enforce", "report", "off"),
  "uninstall.webhooks": oneOf("AsSpecified", "Restore", "Retain", "Off"),
  "uninstall.resources": anything,
  "tests.resources": anything,
  logLevel: oneOf("trace", "debug", "info", "warn", "error"),
  "evaluationDatabase.image.pullPolicy": oneOf("Always", "IfNotPresent", "Never"),
  "evaluationDatabase.userId": integer(1, 4294967294),
  "evaluationDatabase.resources": anything,
  "migrations.backoffLimit": integer(0, 1000),
  "migrations.resources": anything,
  "controller.replicas": integer(0, 10),
  "controller.resources": anything,
  "controller.extraEnv": env,
  "controller.podAnnotations": strings,
  "controller.podLabels": labels,
  "controller.affinity": anything,
  "controller.topologySpreadConstraints": objects,
  "controller.serviceAccount.annotations": strings,
  "receiver.replicas": integer(0, 1000),
  "receiver.shutdownDelaySeconds": integer(0, 600),
  "receiver.resources": anything,
  "receiver.autoscaling.minReplicas": integer(1, 1000),
  "receiver.autoscaling.maxReplicas": integer(1, 1000),
  "receiver.autoscaling.targetCpuPercent": integer(1, 1000),
  "receiver.autoscaling.behavior": anything,
  "receiver.extraEnv": env,
  "receiver.podAnnotations": strings,
  "receiver.podLabels": labels,
  "receiver.affinity": anything,
  "receiver.topologySpreadConstraints": objects,
  "receiver.service.type": oneOf("ClusterIP", "NodePort", "LoadBalancer"),
  "receiver.service.port": port,
  "receiver.service.nodePort": integer(0, 65535),
  "receiver.service.annotations": strings,
  "receiver.serviceAccount.annotations": strings,
  commonLabels: labels,
  nodeSelector: strings,
  tolerations: objects,
  podSecurityContext: anything,
  "monitoring.monitor": oneOf("None", "PodMonitor", "ServiceMonitor"),
  "monitoring.labels": strings,
  "monitoring.rules.labels": strings,
  "monitoring.dashboard.labels": strings,
  "monitoring.dashboard.annotations": strings,
  "networkPolicy.receiverFrom": objects,
  "networkPolicy.metricsFrom": objects,
  "networkPolicy.egress.dnsPorts": ports,
  "networkPolicy.egress.kubernetesTo": objects,
  "networkPolicy.egress.kubernetesPorts": ports,
  "networkPolicy.egress.databaseTo": objects,
  "networkPolicy.egress.databasePorts": ports,
  "networkPolicy.egress.httpsTo": objects,
  "networkPolicy.egress.httpsPorts": ports,
};

/** `values.schema.json`: only keys that values.yaml has, each with its description, so that a slip of the pen fails an install. */
export function chartSchema(root: string): [string, string][] {
  const chart = "charts/sms-channel-operator";
  const values = readValues(join(root, chart)).flatMap((section) => section.values);
  const used = new Set(values.map(({ path }) => path.join(".")));
  const stray = Object.keys(rules).filter((path) => !used.has(path));
  if (stray.length > 0)
    throw new Error(`chart-schema.ts has rules for what values.yaml lacks: ${stray.join(", ")}`);
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart sms-channel-operator",
    ...objectOf(values, 0),
  };
  // A parent chart hands both to every chart below it.
  Object.assign(schema.properties, { global: anything, enabled: { type: "boolean" } });
  return [[`${chart}/values.schema.json`, `${JSON.stringify(schema, undefined, 2)}\n`]];
}

function objectOf(values: Value[], depth: number): { properties: Record<string, Schema> } & Schema {
  const properties: Record<string, Schema> = {};
  for (const [key, of] of Map.groupBy(values, ({ path }) => path[depth]!)) {
    const [first] = of;
    properties[key] = first!.path.length === depth + 1 ? schemaOf(first!) : objectOf(of, depth + 1);
  }
  return { type: "object", additionalProperties: false, properties };
}

function schemaOf({ path, description, default: value }: Value): Schema {
  const name = path.join(".");
  const known = rules[name] ?? inferred(value);
  if (known === undefined) throw new Error(`chart-schema.ts needs a rule for ${name}`);
  return { description, ...known };
}

function inferred(value: unknown): Schema | undefined {
  if (typeof value === "string" || typeof value === "boolean") return { type: typeof value };
  return undefined;
}
