import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Registry } from "@prometheus-io/client";
import pg from "pg";
import {
  type Condition,
  operatingHours,
  type SmsNumber,
  smsNumbers,
  type WorkStream,
  workStreams,
} from "../../src/api/index.ts";
import { spawnTied, stopChild } from "../../src/child.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import { Operator, type OperatorConfig } from "../../src/controllers/operator.ts";
import { migrate } from "../../src/inbox/migrate.ts";
import { PostgresStore } from "../../src/inbox/store.ts";
import { KubeClient } from "../../src/kube/client.ts";
import { LeaderElector } from "../../src/kube/leader.ts";
import {
  type EventObject,
  events,
  type KubeObject,
  type ResourceType,
  secrets,
} from "../../src/kube/resource.ts";
import { type Log, silentLog } from "../../src/log.ts";
import { RouteTable } from "../../src/receiver/route-table.ts";
import { RouteWatch } from "../../src/receiver/route-watch.ts";
import { Receiver } from "../../src/receiver/server.ts";
import {
  type InboundDelivery,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from "../../src/simulator/simulator.ts";
import { kubeconfigPath, newNamespace } from "./cluster.ts";
import { newDatabase } from "./database.ts";

/** The simulator's first account and number. */
export const ACCOUNT = "AC00000000000000000000000000000001";
export const TOKEN = "simulator-auth-token-0000000001";
export const NUMBER = "14252306549";

export interface WorldOptions {
  simulator?: SimulatorOptions;
  config?: Partial<OperatorConfig>;
  /** Namespaces of users; default one. */
  namespaces?: number;
  /** Without leader election this operator leads always. */
  elect?: { leaseMs: number; renewDeadlineMs: number; retryMs: number };
  log?: Log;
  /** Objects of a kind that an operator works on at a time. */
  workers?: number;
  /** Of a control plane of the test's own, with our kinds; default: the one that all files share. */
  kubeconfig?: string;
  /** Of operators and receivers. */
  clock?: Clock;
  /**
   * Of receivers, where it is not the operators': self-checks are signed by the real time, as between two processes, and a
   * receiver refuses those of another hour.
   */
  receiverClock?: Clock;
  /** Gives the URL by which receivers reach the database, such as a proxy's. */
  throughDatabase?: (url: string) => Promise<string>;
}

/**
 * Everything of one test: namespaces of its own on the shared API server, a simulated Twilio, a database, a receiver that
 * stands at the public URL, and an operator. Parts can be stopped and started again.
 */
export class World {
  readonly namespaces: string[] = [];
  readonly client: KubeClient;
  readonly operators: {
    operator: Operator;
    leader: LeaderElector | undefined;
    client: KubeClient;
    registry: Registry;
  }[] = [];
  simulator!: Simulator;
  databaseUrl!: string;
  operatorNamespace!: string;
  publicUrl!: string;
  routes!: RouteTable;
  readonly #options: WorldOptions;
  readonly #kubeconfig: string;
  #customers = 0;
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(options: WorldOptions) {
    this.#options = options;
    this.#kubeconfig = options.kubeconfig ?? kubeconfigPath();
    this.client = KubeClient.load({ kubeconfig: this.#kubeconfig, userAgent: "test", log: silentLog });
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    [world.operatorNamespace, world.databaseUrl, world.simulator] = await Promise.all([
      newNamespace("operator", options.kubeconfig),
      newDatabase(),
      startSimulator({ allowLocalUrls: true, ...options.simulator }),
    ]);
    for (let at = 0; at < (options.namespaces ?? 1); at++)
      world.namespaces.push(await newNamespace("team", options.kubeconfig));
    await migrate(
      { url: world.databaseUrl, waitMs: 10_000, log: silentLog, clock: systemClock },
      AbortSignal.timeout(30_000),
    );
    world.publicUrl = (await world.startReceiver()).url;
    return world;
  }

  /** The first user namespace. */
  get namespace(): string {
    return this.namespaces[0]!;
  }

  /** Starts a receiver, on a free port unless told; the first is the one at PUBLIC_URL. */
  async startReceiver(at = 0): Promise<{ url: string; stop(): Promise<void> }> {
    const client = KubeClient.load({
      kubeconfig: this.#kubeconfig,
      userAgent: "test-receiver",
      log: silentLog,
    });
    const routes = new RouteTable(4);
    this.routes ??= routes;
    const { clock = systemClock, receiverClock = clock } = this.#options;
    const shared = { clock: receiverClock, log: silentLog, metrics: new Registry() };
    const watch = new RouteWatch({
      ...shared,
      client,
      routes,
      namespace: this.operatorNamespace,
      instance: this.instance,
      shards: 4,
    });
    const url = (await this.#options.throughDatabase?.(this.databaseUrl)) ?? this.databaseUrl;
    const store = new PostgresStore({ url, statementTimeoutMs: 3000, log: silentLog });
    const receiver = new Receiver({ ...shared, port: at, replica: "test", routes, store });
    watch.start();
    const { port } = await receiver.start();
    let stopped = false;
    const stop = async () => {
      if (stopped) return;
      stopped = true;
      await receiver.stop(0);
      await watch.stop();
      await client.close();
    };
    this.#closers.push(stop);
    return { url: `http://127.0.0.1:${port}`, stop };
  }

  get instance(): string {
    return `${this.operatorNamespace}/test`;
  }

  /** Starts an operator with this test's settings; several are replicas of one release. */
  startOperator(
    config: Partial<OperatorConfig> = {},
    { kubeconfig = this.#kubeconfig }: { kubeconfig?: string } = {},
  ): Operator {
    const { log = silentLog, clock = systemClock, elect, workers } = this.#options;
    const client = KubeClient.load({
      kubeconfig,
      userAgent: "test-operator",
      log,
      requestTimeoutMs: 5000,
    });
    const identity = `test-${this.operators.length}-${process.pid}`;
    const leader =
      elect === undefined
        ? undefined
        : new LeaderElector({
            client,
            namespace: this.operatorNamespace,
            name: "test-controller",
            identity,
            clock,
            log,
            ...elect,
          });
    const registry = new Registry();
    const operator = new Operator({
      client,
      leader,
      identity,
      clock,
      log,
      registry,
      ...(workers === undefined ? {} : { workers }),
      config: {
        operatorNamespace: this.operatorNamespace,
        instance: this.instance,
        watchNamespaces: this.namespaces,
        routeShards: 4,
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
      },
    });
    operator.start();
    leader?.start();
    this.operators.push({ operator, leader, client, registry });
    return operator;
  }

  /**
   * The real `smschannel controller` as a process of its own, for what only a process can suffer: SIGKILL, SIGSTOP. Gives
   * its log's lines as they come.
   */
  startProcess({ kubeconfig = this.#kubeconfig }: { kubeconfig?: string } = {}): {
    child: ChildProcess;
    lines: string[];
  } {
    const program = fileURLToPath(new URL("../../src/main/smschannel.ts", import.meta.url));
    const child = spawnTied(process.execPath, [program, "controller"], {
      env: {
        PATH: process.env.PATH,
        KUBECONFIG: kubeconfig,
        OPERATOR_NAMESPACE: this.operatorNamespace,
        INSTANCE: this.instance,
        WATCH_NAMESPACES: this.namespaces.join(","),
        PUBLIC_URL: this.publicUrl,
        ALLOW_INSECURE_PUBLIC_URL: "true",
        TWILIO_BASE_URL: this.simulator.url,
        METRICS_PORT: "0",
        LOG_LEVEL: "debug",
      },
    });
    const lines: string[] = [];
    for (const stream of [child.stdout!, child.stderr!])
      createInterface({ input: stream }).on("line", (line) => lines.push(line));
    this.#closers.push(() => stopChild(child, "SIGKILL", 0));
    return { child, lines };
  }

  /** The real `smschannel release`, as a person or a Job runs it; its output is the caller's to read. */
  startRelease(...args: string[]): ChildProcess {
    const program = fileURLToPath(new URL("../../src/main/smschannel.ts", import.meta.url));
    return spawnTied(process.execPath, [program, "release", ...args], {
      env: {
        PATH: process.env.PATH,
        KUBECONFIG: this.#kubeconfig,
        OPERATOR_NAMESPACE: this.operatorNamespace,
        INSTANCE: this.instance,
        WATCH_NAMESPACES: this.namespaces.join(","),
        TWILIO_BASE_URL: this.simulator.url,
      },
    });
  }

  async release(...args: string[]): Promise<{ code: number | null; output: string }> {
    const child = this.startRelease(...args);
    let output = "";
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, output };
  }

  async stopOperators() {
    for (const { operator, leader, client } of this.operators.splice(0)) {
      await operator.stop();
      await leader?.stop();
      await client.close();
    }
  }

  async stop() {
    await this.stopOperators();
    for (const close of this.#closers.splice(0)) await close();
    await this.simulator.close();
    await this.client.close();
  }

  // What users do --------------------------------------------------------------------------------------------------------

  async apply<T extends KubeObject>(type: ResourceType<T>, object: object): Promise<T> {
    return await this.client.apply(
      type,
      {
        apiVersion: type.group === "" ? type.version : `${type.group}/${type.version}`,
        kind: type.kind,
        ...object,
      } as T,
      {
        fieldManager: "test-user",
        force: true,
      },
    );
  }

  secret(stringData: Record<string, string> = {}, at: { name?: string; namespace?: string } = {}) {
    const data = Object.fromEntries(
      Object.entries({ accountSid: ACCOUNT, authToken: TOKEN, ...stringData }).map(([key, value]) => [
        key,
        Buffer.from(value).toString("base64"),
      ]),
    );
    return this.apply(secrets, {
      metadata: { name: at.name ?? "twilio", namespace: at.namespace ?? this.namespace },
      data,
    });
  }

  stream(
    spec: Partial<WorkStream["spec"]> = {},
    at: { name?: string; namespace?: string; annotations?: Record<string, string> } = {},
  ) {
    const { name = "support", namespace = this.namespace, annotations } = at;
    return this.apply(workStreams, {
      metadata: { name, namespace, ...(annotations === undefined ? {} : { annotations }) },
      spec: {
        autoCloseAfterInactivity: "48h",
        sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
        ...spec,
      },
    });
  }

  number(
    spec: Partial<SmsNumber["spec"]> = {},
    at: { name?: string; namespace?: string; annotations?: Record<string, string> } = {},
  ) {
    const { name = "line", namespace = this.namespace, annotations } = at;
    return this.apply(smsNumbers, {
      metadata: { name, namespace, ...(annotations === undefined ? {} : { annotations }) },
      spec: { workStreamRef: { name: "support" }, number: NUMBER, ...spec },
    });
  }

  /** Secret, stream and number, and an operator: the whole main job, until Ready. */
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

  // What users see -------------------------------------------------------------------------------------------------------

  streamIs(name: string, want: Wanted, namespace = this.namespace): Promise<WorkStream> {
    return this.#until(workStreams, { namespace, name }, want);
  }

  numberIs(name: string, want: Wanted, namespace = this.namespace): Promise<SmsNumber> {
    return this.#until(smsNumbers, { namespace, name }, want);
  }

  hoursAre(name: string, want: Wanted, namespace = this.namespace): Promise<KubeObject> {
    return this.#until(operatingHours, { namespace, name }, want);
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

  /** The number as Twilio has it. */
  atTwilio(number = NUMBER) {
    const found = [...this.simulator.state.numbers].find(({ phoneNumber }) => phoneNumber === `+${number}`);
    if (found === undefined) throw new Error(`the simulator has no ${number}`);
    return found;
  }

  inboundUrl(stream = "support", namespace = this.namespace): string {
    return `${this.publicUrl}/inbound/${namespace}/${stream}`;
  }

  /** A text from a customer of its own. */
  text(to = NUMBER): Promise<InboundDelivery> {
    const from = `+1415555${String(this.#customers++).padStart(4, "0")}`;
    return this.simulator.control.inbound({ from, to: `+${to}`, body: "hello" });
  }

  /** Texts one after another until stopped; gives what became of each. */
  traffic(to = NUMBER): { stop(): Promise<InboundDelivery[]> } {
    const deliveries: InboundDelivery[] = [];
    let stopped = false;
    const running = (async () => {
      while (!stopped && deliveries.length < 2000) {
        deliveries.push(await this.text(to));
        await sleep(20);
      }
    })();
    return {
      stop: async () => {
        stopped = true;
        await running;
        return deliveries;
      },
    };
  }

  /** Rows in the inbox, by stream and kind. */
  async stored(): Promise<{ stream: string; kind: string; namespace_uid: string }[]> {
    const database = new pg.Client(this.databaseUrl);
    await database.connect();
    try {
      const { rows } = await database.query("select stream, kind, namespace_uid from smschannel.inbox");
      return rows;
    } finally {
      await database.end();
    }
  }

  async events(namespace = this.namespace): Promise<EventObject[]> {
    return (await this.client.list(events, { namespace })).items;
  }

  /** Resolves with the event once there is one of this reason about an object of this name. */
  event(reason: string, name: string, namespace = this.namespace): Promise<EventObject> {
    return eventually(`event ${reason} about ${name}`, async () =>
      (await this.events(namespace)).find((each) => each.reason === reason && each.regarding.name === name),
    );
  }

  /** Sum of a metric of one operator, over all its labels. */
  async metric(name: string, operator = 0): Promise<number> {
    const metric = await this.operators[operator]!.registry.getSingleMetric(name)?.get();
    return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
  }

  /** Names of the operator's own Secrets that keep a number's webhook from before. */
  async previousWebhooks(): Promise<string[]> {
    const { items } = await this.client.list(secrets, { namespace: this.operatorNamespace });
    return items.map(({ metadata }) => metadata.name).filter((name) => name.includes("-previous-"));
  }

  /** Successful or not, calls to Twilio that change something. */
  updates() {
    return this.simulator.control.requests().filter(({ method }) => method === "POST");
  }

  async #until<T extends KubeObject>(
    type: ResourceType<T>,
    ref: { namespace: string; name: string },
    want: Wanted,
  ): Promise<T> {
    let last: T | undefined;
    try {
      return await eventually(`${type.kind} ${ref.name} is ${JSON.stringify(want)}`, async () => {
        last = await this.client.get(type, ref);
        return last !== undefined && matches(last, want) ? last : undefined;
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}; it is ${JSON.stringify(last?.status ?? null)}`);
    }
  }
}

/** By condition: a status (`True`), or a reason. All must name the object's newest generation. */
export type Wanted = Record<string, string>;

export function matches(object: KubeObject, want: Wanted): boolean {
  const conditions =
    (object.status as { conditions?: Condition[]; observedGeneration?: number } | undefined)?.conditions ??
    [];
  return Object.entries(want).every(([type, value]) => {
    const found = conditions.find((each) => each.type === type);
    if (found === undefined) return value === "absent";
    if (found.observedGeneration !== object.metadata.generation) return false;
    return found.status === value || found.reason === value;
  });
}

/** Looks until there is an answer; the edge of the tests, where another process's doing has no event to wait for. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(40);
  }
}
