import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setFlagsFromString } from "node:v8";
import { systemClock } from "../clock.ts";
import { Operator, type OperatorConfig } from "../controllers/operator.ts";
import { KubeClient } from "../kube/client/client.ts";
import { LeaderElector } from "../kube/leader/leader.ts";
import { leaseName } from "../routes/secrets.ts";
import { type Command, type Config, databaseUrlOf, flag, instanceOf, settings } from "./config.ts";
import { exposeLeading } from "./metrics.ts";
import { runProcess } from "./process.ts";

const own = {
  kubeconfig: settings.kubeconfig,
  operatorNamespace: settings.operatorNamespace,
  instance: settings.instance,
  watchNamespaces: settings.watchNamespaces,
  publicUrl: settings.publicUrl,
  fallbackPublicUrl: settings.fallbackPublicUrl,
  allowInsecurePublicUrl: settings.allowInsecurePublicUrl,
  urlCheck: settings.urlCheck,
  urlCheckAddress: settings.urlCheckAddress,
  databaseUrl: {
    ...settings.databaseUrl,
    help: "Optional: URL of PostgreSQL with the controller's role, to read when texts last arrived. A text proves that a URL works.",
  },
  databaseUrlFile: settings.databaseUrlFile,
  twilioBaseUrl: settings.twilioBaseUrl,
  resyncInterval: settings.resyncInterval,
  deleteTimeout: settings.deleteTimeout,
  routeShards: settings.routeShards,
  maxStreamsPerNamespace: settings.maxStreamsPerNamespace,
  takeOverFrom: settings.takeOverFrom,
  testRoute: {
    env: "TEST_ROUTE",
    help: "Give the receivers a route for smschannel test-text. Its texts are never answered.",
    default: "false",
    boolean: true,
    parse: flag,
  },
  metricsPort: settings.metricsPort,
  logLevel: settings.logLevel,
} as const;

/** Timeout of requests to the API server. It is short, so that a request ends while this process still holds the Lease. */
export const KUBE_TIMEOUT_MS = 5000;

/**
 * Makes V8 collect garbage when the heap has grown by 25 %. By default V8 lets the heap grow by up to a half. A controller waits more than
 * it computes, so the extra CPU time is cheap, while the garbage of a change to 10,000 streams would double its memory. V8 reads this flag
 * at each collection, so it can be set at run time.
 */
function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=25");
}

/** `smschannel controller`: the operator. Several replicas may run; the one that holds the Lease works, the others stand by. */
export const controllerCommand: Command<typeof own> = {
  name: "controller",
  summary:
    "reconcile WorkStreams, SmsNumbers and OperatingHours: check Twilio credentials, point numbers at the receiver and keep them there",
  settings: own,
  run: (config) => {
    keepHeapSmall();
    return runProcess(
      { name: "controller", logLevel: config.logLevel, metricsPort: config.metricsPort },
      async ({ log, metrics, health, stopping }) => {
        const instance = instanceOf(config);
        const client = KubeClient.load({
          kubeconfig: config.kubeconfig,
          userAgent: "sms-channel-operator",
          log,
          requestTimeoutMs: KUBE_TIMEOUT_MS,
        });
        // The identity is unique for each start. Otherwise a restarted process would mistake its predecessor's Lease for its own.
        const identity = `${hostname()}_${randomBytes(4).toString("hex")}`;
        // The Lease has a separate client with its own connections, because a burst of status writes must not delay its renewal.
        const leaseClient = KubeClient.load({
          kubeconfig: config.kubeconfig,
          userAgent: "sms-channel-operator",
          log,
        });
        const leader = new LeaderElector({
          client: leaseClient,
          namespace: config.operatorNamespace,
          name: leaseName(instance),
          identity,
          clock: systemClock,
          log,
        });
        const operator = new Operator({
          config: operatorConfig(config, instance),
          client,
          leader,
          identity,
          clock: systemClock,
          log,
          registry: metrics,
        });
        // Readiness does not depend on leading: replicas that stand by are ready, too, and a rolling update waits for ready pods.
        exposeLeading(metrics, leader);
        health.readyWhen("watches", () => operator.problem());
        // The operator must listen for terms of leadership before the election can begin a term.
        operator.start();
        leader.start();
        await aborted(stopping);
        // The operator stops before the Lease is given back: another replica starts to work as soon as the Lease is free.
        await operator.stop();
        await leader.stop();
        await Promise.all([client.close(), leaseClient.close()]);
      },
    );
  },
};

function operatorConfig(config: Config<typeof own>, instance: string): OperatorConfig {
  return {
    operatorNamespace: config.operatorNamespace,
    instance,
    watchNamespaces: config.watchNamespaces,
    routeShards: config.routeShards,
    maxStreamsPerNamespace: config.maxStreamsPerNamespace,
    deleteTimeoutMs: config.deleteTimeout,
    publicUrl: config.publicUrl,
    fallbackPublicUrl: config.fallbackPublicUrl,
    allowInsecurePublicUrl: config.allowInsecurePublicUrl,
    databaseUrl: databaseUrlOf(config),
    twilioBaseUrl: config.twilioBaseUrl,
    urlCheck: config.urlCheck,
    urlCheckAddress: config.urlCheckAddress,
    resyncIntervalMs: config.resyncInterval,
    takeOverFrom: config.takeOverFrom,
    testRoute: config.testRoute,
  };
}

/** Resolves when the signal aborts. Never rejects. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}
