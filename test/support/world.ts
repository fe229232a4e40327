import type { ChildProcess } from "node:child_process";
import pg from "pg";
import {
  operatingHours,
  type SmsNumber,
  smsNumbers,
  type WorkStream,
  workStreams,
} from "../../src/api/index.ts";
import { stopChild } from "../../src/child.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Operator, OperatorConfig } from "../../src/controllers/operator.ts";
import { migrate } from "../../src/inbox/migrate.ts";
import { KubeClient } from "../../src/kube/client/client.ts";
import {
  type EventObject,
  events,
  type KubeObject,
  type ResourceType,
  secrets,
} from "../../src/kube/resource.ts";
import { type Log, silentLog } from "../../src/log.ts";
import type { RouteTable } from "../../src/receiver/route-table.ts";
import {
  type InboundDelivery,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from "../../src/simulator/simulator.ts";
import { kubeconfigPath, newNamespace } from "./cluster.ts";
import { newDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";
import { untilConditionsAre, type Wanted } from "./world/conditions.ts";
import { type AnnotatedPlace, type ManifestPlace, Manifests } from "./world/manifests.ts";
import {
  type OperatorSettings,
  type RunningOperator,
  startOperator,
  stopOperator,
} from "./world/operators.ts";
import { outcomeOf, type ProgramSettings, startController, startRelease } from "./world/programs.ts";
import { ROUTE_SHARDS, startReceiver } from "./world/receivers.ts";
import { NUMBER, SimulatedTwilio } from "./world/simulated-twilio.ts";

export interface WorldOptions {
  simulator?: SimulatorOptions;
  config?: Partial<OperatorConfig>;
  /** How many namespaces of users there are. Default: one. */
  namespaces?: number;
  /** The times of leader election. Undefined: the operator always leads, without an election. */
  elect?: OperatorSettings["elect"];
  log?: Log;
  /** How many objects of a kind an operator works on at the same time. */
  workers?: number;
  /**
   * The kubeconfig of a control plane that only this test uses and that has the CRDs. Default: the control plane that all test files share.
   */
  kubeconfig?: string;
  /** The clock of operators and receivers. */
  clock?: Clock;
  /**
   * The clock of the receivers. Default: the operators' clock. Operators sign self-checks with the real time, and a receiver refuses a
   * self-check of another hour. So a test whose operators' clock skips hours gives the receivers the real time if it needs self-checks.
   */
  receiverClock?: Clock;
  /** Returns the URL by which receivers reach the database, such as the URL of a proxy. */
  throughDatabase?: (url: string) => Promise<string>;
}

/** The parts of a World before an operator or receiver runs in it. */
interface WorldParts {
  operatorNamespace: string;
  namespaces: readonly string[];
  databaseUrl: string;
  simulator: Simulator;
}

/**
 * Everything for one test: new namespaces on the shared API server, a simulated Twilio, a database, a receiver at the public URL, and an
 * operator. Parts can be stopped and started again.
 */
export class World {
  readonly operatorNamespace: string;
  readonly namespaces: readonly string[];
  /** INSTANCE of the operators. All operators of a World are replicas of one installation. */
  readonly instance: string;
  readonly client: KubeClient;
  readonly operators: RunningOperator[] = [];
  readonly simulator: Simulator;
  readonly databaseUrl: string;
  /** PUBLIC_URL of the operators that are started from now on. At first it is the URL of the first receiver. */
  publicUrl!: string;
  /** The routes that the first receiver knows. */
  routes!: RouteTable;
  readonly #options: WorldOptions;
  readonly #kubeconfig: string;
  readonly #twilio: SimulatedTwilio;
  readonly #manifests: Manifests;
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(
    options: WorldOptions,
    { operatorNamespace, namespaces, databaseUrl, simulator }: WorldParts,
  ) {
    this.#options = options;
    this.#kubeconfig = options.kubeconfig ?? kubeconfigPath();
    this.operatorNamespace = operatorNamespace;
    this.namespaces = namespaces;
    this.instance = `${operatorNamespace}/test`;
    this.databaseUrl = databaseUrl;
    this.simulator = simulator;
    this.client = KubeClient.load({ kubeconfig: this.#kubeconfig, userAgent: "test", log: silentLog });
    this.#twilio = new SimulatedTwilio(simulator);
    this.#manifests = new Manifests(this.client, this.namespace);
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const newNamespaces = async () => {
      const names: string[] = [];
      for (let at = 0; at < (options.namespaces ?? 1); at++)
        names.push(await newNamespace("team", options.kubeconfig));
      return names;
    };
    const [operatorNamespace, namespaces, databaseUrl, simulator] = await Promise.all([
      newNamespace("operator", options.kubeconfig),
      newNamespaces(),
      newDatabase(),
      startSimulator({ allowLocalUrls: true, ...options.simulator }),
    ]);
    const database = { url: databaseUrl, waitMs: 10_000, log: silentLog, clock: systemClock };
    await migrate(database, AbortSignal.timeout(30_000));
    const world = new World(options, { operatorNamespace, namespaces, databaseUrl, simulator });
    world.publicUrl = (await world.startReceiver()).url;
    return world;
  }

  /** The first namespace of users. */
  get namespace(): string {
    return this.namespaces[0]!;
  }

  async stop() {
    await this.stopOperators();
    for (const close of this.#closers.splice(0)) await close();
    await this.simulator.close();
    await this.client.close();
  }

  // The running programs --------------------------------------------------------------------------------------------------

  /** Starts a receiver, by default on a free port. PUBLIC_URL is the URL of the first receiver. */
  async startReceiver(port = 0): Promise<{ url: string; stop(): Promise<void> }> {
    const { clock = systemClock, receiverClock = clock, throughDatabase } = this.#options;
    const { url, routes, stop } = await startReceiver({
      kubeconfig: this.#kubeconfig,
      namespace: this.operatorNamespace,
      instance: this.instance,
      databaseUrl: (await throughDatabase?.(this.databaseUrl)) ?? this.databaseUrl,
      clock: receiverClock,
      port,
    });
    this.routes ??= routes;
    this.#closers.push(stop);
    return { url, stop };
  }

  /** Starts an operator with this test's settings. Several operators are replicas of one installation. */
  startOperator(
    config: Partial<OperatorConfig> = {},
    { kubeconfig = this.#kubeconfig }: { kubeconfig?: string } = {},
  ): Operator {
    const { log = silentLog, clock = systemClock, elect, workers } = this.#options;
    const identity = `test-${this.operators.length}-${process.pid}`;
    const settings = { kubeconfig, elect, workers, clock, log, identity };
    const started = startOperator({ ...settings, config: this.#configWith(config) });
    this.operators.push(started);
    return started.operator;
  }

  /** Starts a second receiver, and restarts the operators with its URL as PUBLIC_URL. */
  async changePublicUrl(): Promise<{ former: string; url: string }> {
    const former = this.publicUrl;
    const { url } = await this.startReceiver();
    await this.stopOperators();
    this.publicUrl = url;
    this.startOperator();
    return { former, url };
  }

  #configWith(config: Partial<OperatorConfig>): OperatorConfig {
    return {
      operatorNamespace: this.operatorNamespace,
      instance: this.instance,
      watchNamespaces: this.namespaces,
      routeShards: ROUTE_SHARDS,
      maxStreamsPerNamespace: 1000,
      deleteTimeoutMs: 600_000,
      publicUrl: this.publicUrl,
      fallbackPublicUrl: undefined,
      allowInsecurePublicUrl: true,
      databaseUrl: undefined,
      twilioBaseUrl: this.simulator.url,
      urlCheck: "enforce",
      urlCheckAddress: undefined,
      resyncIntervalMs: 300_000,
      takeOverFrom: undefined,
      ...this.#options.config,
      ...config,
    };
  }

  async stopOperators() {
    for (const operator of this.operators.splice(0)) await stopOperator(operator);
  }

  /**
   * Starts the real `smschannel controller` as a separate process, for tests that need signals such as SIGKILL and SIGSTOP. `lines` fills
   * with the lines of its log.
   */
  startProcess({ kubeconfig = this.#kubeconfig }: { kubeconfig?: string } = {}): {
    child: ChildProcess;
    lines: string[];
  } {
    const started = startController({ ...this.#programSettings(), kubeconfig }, this.publicUrl);
    this.#closers.push(() => stopChild(started.child, "SIGKILL", 0));
    return started;
  }

  /** Starts the real `smschannel release`, as a person or a Job runs it. A test can read the output of the returned process. */
  startRelease(...args: string[]): ChildProcess {
    return startRelease(this.#programSettings(), args);
  }

  async release(...args: string[]): Promise<{ code: number | null; output: string }> {
    return await outcomeOf(this.startRelease(...args));
  }

  #programSettings(): ProgramSettings {
    return {
      kubeconfig: this.#kubeconfig,
      namespace: this.operatorNamespace,
      instance: this.instance,
      watchNamespaces: this.namespaces,
      twilioUrl: this.simulator.url,
    };
  }

  // Actions of users -----------------------------------------------------------------------------------------------------

  apply<T extends KubeObject>(type: ResourceType<T>, object: object): Promise<T> {
    return this.#manifests.apply(type, object);
  }

  secret(stringData: Record<string, string> = {}, place: ManifestPlace = {}) {
    return this.#manifests.secret(stringData, place);
  }

  stream(spec: Partial<WorkStream["spec"]> = {}, place: AnnotatedPlace = {}) {
    return this.#manifests.stream(spec, place);
  }

  number(spec: Partial<SmsNumber["spec"]> = {}, place: AnnotatedPlace = {}) {
    return this.#manifests.number(spec, place);
  }

  /** Does the whole main job: applies Secret, stream and number, starts an operator, and waits until the number is Ready. */
  async wired(number: Partial<SmsNumber["spec"]> = {}): Promise<void> {
    await this.secret();
    await this.stream();
    await this.number(number);
    if (this.operators.length === 0) this.startOperator();
    await this.numberIs("line", { Ready: "True" });
  }

  async deleteNumber(name = "line", namespace = this.namespace) {
    await this.client.delete(smsNumbers, { namespace, name });
  }

  // What users see in the cluster ----------------------------------------------------------------------------------------

  streamIs(name: string, want: Wanted, namespace = this.namespace): Promise<WorkStream> {
    return untilConditionsAre(this.client, workStreams, { namespace, name }, want);
  }

  numberIs(name: string, want: Wanted, namespace = this.namespace): Promise<SmsNumber> {
    return untilConditionsAre(this.client, smsNumbers, { namespace, name }, want);
  }

  hoursAre(name: string, want: Wanted, namespace = this.namespace): Promise<KubeObject> {
    return untilConditionsAre(this.client, operatingHours, { namespace, name }, want);
  }

  async gone<T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    namespace = this.namespace,
  ): Promise<void> {
    await eventually(`${type.kind} ${name} is gone`, async () =>
      (await this.client.get(type, { namespace, name })) === undefined ? true : undefined,
    );
  }

  async events(namespace = this.namespace): Promise<EventObject[]> {
    return (await this.client.list(events, { namespace })).items;
  }

  /** Resolves with the event once there is an event with this reason about an object with this name. */
  event(reason: string, name: string, namespace = this.namespace): Promise<EventObject> {
    return eventually(`event ${reason} about ${name}`, async () =>
      (await this.events(namespace)).find((each) => each.reason === reason && each.regarding.name === name),
    );
  }

  // Numbers at the simulated Twilio, and texts from there ------------------------------------------------------------------

  /** The number's record at the simulated Twilio. A test that writes into it plays somebody who changes the number at Twilio. */
  atTwilio(number = NUMBER) {
    return this.#twilio.number(number);
  }

  /** All fields that decide where the number's texts go. */
  webhook(number = NUMBER) {
    return this.#twilio.webhook(number);
  }

  inboundUrl(stream = "support", namespace = this.namespace): string {
    return `${this.publicUrl}/inbound/${namespace}/${stream}`;
  }

  /** Sends a text from a customer who has not texted before. */
  text(to = NUMBER): Promise<InboundDelivery> {
    return this.#twilio.text(to);
  }

  /** Sends texts one after another until `stop` is called. `stop` resolves with the outcome of each text. */
  traffic(to = NUMBER): { stop(): Promise<InboundDelivery[]> } {
    return this.#twilio.traffic(to);
  }

  /** The calls to Twilio that change something, whether they succeeded or not. */
  updates() {
    return this.#twilio.updates();
  }

  // What operators and receivers store and count ---------------------------------------------------------------------------

  /** The rows in the inbox, in the order in which they were stored. */
  async stored(): Promise<{ stream: string; kind: string; namespace_uid: string }[]> {
    const database = new pg.Client(this.databaseUrl);
    await database.connect();
    try {
      const { rows } = await database.query(
        "select stream, kind, namespace_uid from smschannel.inbox order by id",
      );
      return rows;
    } finally {
      await database.end();
    }
  }

  /** The sum of a metric of one operator, over all its labels. */
  async metric(name: string, operator = 0): Promise<number> {
    const metric = await this.operators[operator]!.registry.getSingleMetric(name)?.get();
    return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
  }

  /** Deletes the Secrets with the operator's records and the receivers' routes. The saved former webhooks stay. */
  async loseRecords() {
    const at = { namespace: this.operatorNamespace };
    for (const { metadata, type } of (await this.client.list(secrets, at)).items)
      if (type === "smschannel.dev/compiled")
        await this.client.delete(secrets, { ...at, name: metadata.name });
  }

  /**
   * Deletes everything that operators have stored and reported so far. It is for tests that share a World, and may be called only while no
   * operator runs. Afterwards an operator starts without records, and every event that a test finds is new.
   */
  async forgetEverything() {
    const kept = { namespace: this.operatorNamespace };
    for (const { metadata } of (await this.client.list(secrets, kept)).items)
      await this.client.delete(secrets, { ...kept, name: metadata.name });
    for (const { metadata } of await this.events())
      await this.client.delete(events, { namespace: this.namespace, name: metadata.name });
  }

  /** The names of the Secrets in which the operator keeps former webhooks of numbers. */
  async previousWebhooks(): Promise<string[]> {
    const { items } = await this.client.list(secrets, { namespace: this.operatorNamespace });
    return items.map(({ metadata }) => metadata.name).filter((name) => name.includes("-previous-"));
  }
}
