import type { Registry } from "@prometheus-io/client";
import { Counter } from "@prometheus-io/client";
import { type SmsNumber, smsNumbers, type WorkStream, workStreams } from "../api/index.ts";
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { Controller } from "../kube/controller.ts";
import { EventRecorder } from "../kube/events.ts";
import type { LeaderElector, Term } from "../kube/leader.ts";
import { keyOf } from "../kube/resource.ts";
import type { Log } from "../log.ts";
import { Twilio } from "../twilio/twilio.ts";
import { Accounts } from "./accounts/accounts.ts";
import { type Activity, noActivity, watchActivity } from "./activity.ts";
import { NamespaceUids } from "./namespaces.ts";
import { operatingHoursController } from "./operatinghours/controller.ts";
import type { RouteRecord } from "./records/record.ts";
import { routeKey } from "./records/record.ts";
import { Records } from "./records/records.ts";
import { createSecretStore } from "./records/secret-store.ts";
import { digitsOf, keepUp } from "./routes-upkeep.ts";
import { Checks } from "./selfcheck/checks.ts";
import { createProber, type Prober } from "./selfcheck/probe.ts";
import type { SmsNumberDeps } from "./smsnumber/deps.ts";
import { smsNumberFinalizer } from "./smsnumber/finalize.ts";
import { candidateOf } from "./smsnumber/observe.ts";
import { createPreviousWebhooks } from "./smsnumber/previous-webhooks.ts";
import { failedVerdicts as failedNumber, smsNumberReconciler } from "./smsnumber/reconcile.ts";
import { firstSight, numberVerdicts } from "./smsnumber/verdicts.ts";
import { Watches } from "./watches.ts";
import { CredentialChecks } from "./workstream/credential-checks.ts";
import {
  failedVerdicts as failedStream,
  streamUrls,
  type WorkStreamDeps,
  workStreamReconciler,
} from "./workstream/reconcile.ts";
import { createSecretReader } from "./workstream/secret-reader.ts";
import { Streams } from "./workstream/streams.ts";
import { publicUrlProblem, publicUrls } from "./workstream/urls.ts";
import { streamVerdicts } from "./workstream/verdicts.ts";

export interface OperatorConfig {
  operatorNamespace: string;
  instance: string;
  watchNamespaces: readonly string[];
  routeShards: number;
  maxStreamsPerNamespace: number;
  deleteTimeoutMs: number;
  publicUrl: string;
  fallbackPublicUrl: string | undefined;
  allowInsecurePublicUrl: boolean;
  databaseUrl: string | undefined;
  twilioBaseUrl: string | undefined;
  urlCheck: "enforce" | "report" | "off";
  urlCheckAddress: string | undefined;
  resyncIntervalMs: number;
  takeOverFrom: string | undefined;
}

export interface OperatorOptions {
  config: OperatorConfig;
  client: KubeClient;
  /** Absent: this process is taken to lead always. */
  leader: LeaderElector | undefined;
  /** Names this process in events. */
  identity: string;
  clock: Clock;
  log: Log;
  registry: Registry;
}

export const FINALIZER = "smschannel.dev/webhook";
/** How often routes are looked at for what nothing needs any more. */
const UPKEEP_MS = 60_000;
/** Reconciles mostly wait (for Twilio, for Secrets, for self-checks), and cost nothing while they do. */
const WORKERS = 200;
/** For one request to Twilio; with less of a Lease left none begins. */
const TWILIO_TIMEOUT_MS = 8000;
/** How long the next try to read the records waits. */
const LOAD_RETRY_MS = 1000;

/** The controllers of all kinds, and what they share: `start` it once the leader election runs, `stop` it before that ends. */
export class Operator {
  readonly watches: Watches;
  readonly records: Records;
  readonly #options: OperatorOptions;
  readonly #stop = new AbortController();
  readonly #twilio: Twilio;
  readonly #prober: Prober;
  readonly #events: EventRecorder;
  readonly #accounts: Accounts;
  readonly #checks: Checks;
  readonly #streams: Streams;
  readonly #activity: Activity;
  readonly #credentialChecks: CredentialChecks;
  readonly #namespaces: NamespaceUids;
  readonly #workStreams: Controller<WorkStream>;
  readonly #smsNumbers: Controller<SmsNumber>;
  readonly #operatingHours: ReturnType<typeof operatingHoursController>;
  /** Resolves when the records of the term under way are read. */
  #loaded: Promise<void> = new Promise(() => {});
  #cancelUpkeep = () => {};
  #offTerm = () => {};

  constructor(options: OperatorOptions) {
    const { config, client, clock, log, registry, identity } = options;
    this.#options = options;
    this.watches = new Watches({ client, namespaces: config.watchNamespaces, clock, log, registry });
    this.#twilio = new Twilio({
      clock,
      log,
      registry,
      timeoutMs: TWILIO_TIMEOUT_MS,
      ...(config.twilioBaseUrl === undefined ? {} : { baseUrl: config.twilioBaseUrl }),
    });
    this.#prober = createProber(
      config.urlCheckAddress === undefined ? {} : { address: config.urlCheckAddress },
    );
    this.#events = new EventRecorder({
      client,
      clock,
      log,
      reportingController: "smschannel.dev/controller",
      reportingInstance: identity,
    });
    this.#namespaces = new NamespaceUids(client);
    this.#credentialChecks = new CredentialChecks(this.#twilio);
    this.records = this.#createRecords();
    this.#streams = new Streams((key) => this.#wakeNumbersOf(key));
    this.#accounts = new Accounts({
      twilio: this.#twilio,
      clock,
      log,
      resyncIntervalMs: config.resyncIntervalMs,
      onResync: (fingerprint) => this.#accountResynced(fingerprint),
    });
    this.#activity =
      config.databaseUrl === undefined
        ? noActivity
        : watchActivity({
            databaseUrl: config.databaseUrl,
            clock,
            log,
            onChange: (key) => this.#wakeRoute(key, "resync"),
          });
    this.#checks = new Checks({
      prober: this.#prober,
      clock,
      log,
      lastAcceptedTextMs: (key) => this.#activity.lastAcceptedAt(key),
      onChange: (key) => this.#wakeRoute(key, "change"),
    });
    this.#workStreams = this.#createWorkStreams();
    this.#smsNumbers = this.#createSmsNumbers();
    this.#operatingHours = operatingHoursController({
      ...this.#controllerOptions(),
      informer: this.watches.operatingHours,
    });
    this.#listen();
  }

  start() {
    const { leader } = this.#options;
    this.#offTerm = leader?.onTerm((term) => this.#beginTerm(term)) ?? (() => {});
    if (leader === undefined) this.#beginTerm(undefined);
    this.watches.start();
    this.#workStreams.start();
    this.#smsNumbers.start();
    this.#operatingHours.start();
    this.#scheduleUpkeep();
  }

  /** Lets what is under way come to its end; the Lease is released after this, not before. */
  async stop() {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new Error("operator stopped"));
    this.#offTerm();
    this.#cancelUpkeep();
    this.#checks.stop();
    await Promise.all([this.#workStreams.stop(), this.#smsNumbers.stop(), this.#operatingHours.stop()]);
    this.#accounts.stop();
    await Promise.allSettled([
      this.watches.stop(),
      this.#activity.stop(),
      this.#events.stop(),
      this.#twilio.stop(),
      this.#prober.close(),
    ]);
  }

  /** Why this replica is not at work, for `/readyz`; undefined when it is, or waits its turn. */
  problem(): string | undefined {
    for (const informer of this.watches.all) {
      const problem = informer.problem();
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #createRecords(): Records {
    const { config, client, clock } = this.#options;
    const store = createSecretStore({
      client,
      namespace: config.operatorNamespace,
      instance: config.instance,
      shards: config.routeShards,
      guard: () => this.#guard(client.requestTimeoutMs),
      signal: this.#stop.signal,
    });
    return new Records({
      store,
      shards: config.routeShards,
      maxStreamsPerNamespace: config.maxStreamsPerNamespace,
      clock,
    });
  }

  #guard(ms: number) {
    this.#options.leader?.assertTime(ms);
  }

  /** Whoever led before may have written: nothing is decided before the records are read. */
  #beginTerm(term: Term | undefined) {
    this.#loaded = this.#load(term?.signal ?? this.#stop.signal);
    this.#loaded.catch(() => {});
  }

  async #load(signal: AbortSignal) {
    const { clock, log } = this.#options;
    const either = AbortSignal.any([signal, this.#stop.signal]);
    for (;;) {
      try {
        return await this.records.load();
      } catch (error) {
        either.throwIfAborted();
        log.error({ err: error }, "the operator's own secrets cannot be read, will retry");
        await clock.sleep(LOAD_RETRY_MS, either);
      }
    }
  }

  #createWorkStreams(): Controller<WorkStream> {
    const { config } = this.#options;
    const deps = this.#workStreamDeps();
    const reconcile = workStreamReconciler(deps);
    return new Controller<WorkStream>({
      ...this.#controllerOptions(),
      type: workStreams,
      informer: this.watches.workStreams,
      resyncIntervalMs: config.resyncIntervalMs,
      ownStatus: ownStreamStatus,
      firstSight: ({ metadata }) => ({
        verdicts: streamVerdicts({
          credentials: undefined,
          urlProblem: undefined,
          url: undefined,
          number: { name: "", status: "Unknown", reason: "", message: "" },
        }),
        status: streamUrls(deps.urls, metadata.namespace!, metadata.name),
      }),
      reconcile: async (ctx) => {
        await this.#loaded;
        return await reconcile(ctx);
      },
      onFailure: failedStream,
      onGone: ({ metadata }) => this.#streamGone(metadata.namespace!, metadata.name),
    });
  }

  #createSmsNumbers(): Controller<SmsNumber> {
    const deps = this.#smsNumberDeps();
    const reconcile = smsNumberReconciler(deps);
    const finalize = smsNumberFinalizer(deps);
    return new Controller<SmsNumber>({
      ...this.#controllerOptions(),
      type: smsNumbers,
      informer: this.watches.smsNumbers,
      finalizer: FINALIZER,
      ownStatus: ownNumberStatus,
      firstSight: () => ({ verdicts: numberVerdicts(firstSight) }),
      reconcile: async (ctx) => {
        await this.#loaded;
        return await reconcile(ctx);
      },
      finalize: async (ctx) => {
        await this.#loaded;
        return await finalize(ctx);
      },
      onFailure: failedNumber,
      onGone: (object) => this.#numberGone(object),
    });
  }

  #controllerOptions() {
    const { client, clock, log, registry, leader, config } = this.#options;
    const { instance, takeOverFrom } = config;
    const fieldManager = `smschannel-controller/${instance}`;
    return {
      client,
      clock,
      log,
      registry,
      leader,
      events: this.#events,
      instance,
      fieldManager,
      takeOverFrom,
      workers: WORKERS,
    };
  }

  #workStreamDeps(): WorkStreamDeps {
    const { config, client, clock } = this.#options;
    return {
      clock,
      records: this.records,
      accounts: this.#accounts,
      checks: this.#checks,
      credentialChecks: this.#credentialChecks,
      streams: this.#streams,
      secrets: createSecretReader({
        client,
        metadata: this.watches.secrets.store,
        hasSynced: () => this.watches.secrets.hasSynced,
      }),
      activity: this.#activity,
      urls: publicUrls(config.publicUrl, config.fallbackPublicUrl),
      publicUrlProblem: publicUrlProblem(config.publicUrl, config.allowInsecurePublicUrl),
      urlCheck: config.urlCheck,
      namespaceUid: (namespace, signal) => this.#namespaces.uidOf(namespace, signal),
      numberOf: (namespace, stream) => this.#numberOf(namespace, stream),
      digitsOf: (route) => this.#digitsOf(route),
      pointedAt: (inbound) => this.#pointedAt(inbound),
    };
  }

  #smsNumberDeps(): SmsNumberDeps {
    const { config, client, clock, registry } = this.#options;
    const drift = new Counter({
      name: "smschannel_webhook_drift_total",
      help: "Webhooks that somebody changed and that were set back.",
      registers: [registry],
    });
    const gaveUp = new Counter({
      name: "smschannel_finalizer_gave_up_total",
      help: "Deletions that stopped waiting for Twilio.",
      registers: [registry],
    });
    const { workStreams, smsNumbers, operatingHours } = this.watches;
    return {
      clock,
      records: this.records,
      accounts: this.#accounts,
      checks: this.#checks,
      streams: this.#streams,
      previous: createPreviousWebhooks({
        client,
        namespace: config.operatorNamespace,
        instance: config.instance,
        takeOverFrom: config.takeOverFrom,
      }),
      urls: publicUrls(config.publicUrl, config.fallbackPublicUrl),
      urlCheck: config.urlCheck,
      deleteTimeoutMs: config.deleteTimeoutMs,
      workStream: (namespace, name) => workStreams.store.get(namespace, name),
      operatingHours: (namespace, name) => operatingHours.store.get(namespace, name),
      numbersWithDigits: (digits) => smsNumbers.store.byIndex("digits", digits),
      numbersOfStream: (namespace, stream) => smsNumbers.store.byIndex("stream", `${namespace}/${stream}`),
      namespaceUid: (namespace, signal) => this.#namespaces.uidOf(namespace, signal),
      refreshDigits: (namespaceUid, stream) => this.#refreshDigits(namespaceUid, stream),
      wakeStream: (namespace, stream) => this.#workStreams.enqueue(`${namespace}/${stream}`),
      wakeNumber: (namespace, name) => this.#smsNumbers.enqueue(`${namespace}/${name}`),
      credentialsRefused: (stream) => this.#credentialsRefused(stream),
      guard: () => this.#guard(TWILIO_TIMEOUT_MS),
      countDrift: () => drift.inc(),
      countGaveUp: () => gaveUp.inc(),
    };
  }

  /** Changes of one kind that another kind must hear of. */
  #listen() {
    const { workStreams, smsNumbers, operatingHours, secrets } = this.watches;
    secrets.onChange(({ object }) => {
      for (const stream of workStreams.store.byIndex("secret", keyOf(object)))
        this.#workStreams.enqueue(keyOf(stream));
    });
    workStreams.onChange(({ type, object, previous }) => {
      if (type !== "updated" || object.metadata.generation !== previous?.metadata.generation)
        this.#wakeNumbersOf(keyOf(object));
    });
    operatingHours.onChange(({ type, object }) => {
      if (type === "updated") return;
      for (const number of smsNumbers.store.byIndex("hours", keyOf(object)))
        this.#smsNumbers.enqueue(keyOf(number));
    });
    smsNumbers.onChange(({ type, object, previous }) => {
      if (type === "updated" && readyText(object) === readyText(previous)) return;
      this.#workStreams.enqueue(`${object.metadata.namespace}/${object.spec.workStreamRef.name}`);
    });
  }

  #wakeNumbersOf(stream: string) {
    for (const number of this.watches.smsNumbers.store.byIndex("stream", stream))
      this.#smsNumbers.enqueue(keyOf(number));
  }

  #wakeRoute(key: string, lane: "change" | "resync") {
    const route = this.records.route(key);
    if (route === undefined) return;
    const stream = `${route.namespace}/${route.stream}`;
    this.#workStreams.enqueue(stream, lane);
    for (const number of this.watches.smsNumbers.store.byIndex("stream", stream))
      this.#smsNumbers.enqueue(keyOf(number), lane);
  }

  #accountResynced(fingerprint: string) {
    const promoted = this.#accounts.tokenWasPromoted(fingerprint);
    for (const stream of this.#accounts.usersOf(fingerprint)) {
      for (const number of this.watches.smsNumbers.store.byIndex("stream", stream))
        this.#smsNumbers.enqueue(keyOf(number), "resync");
      if (promoted) this.#credentialsRefused(stream);
    }
  }

  /** What Twilio said of these credentials before no longer holds: ask anew. */
  #credentialsRefused(stream: string) {
    const account = this.#streams.get(stream)?.account;
    if (account !== undefined) this.#credentialChecks.forget(account.twilio.fingerprint);
    this.#workStreams.enqueue(stream);
  }

  #streamGone(namespace: string, name: string) {
    const key = `${namespace}/${name}`;
    this.#accounts.release(key);
    this.#streams.delete(key);
    this.#wakeNumbersOf(key);
    this.#forgetNamespace(namespace);
  }

  #numberGone({ metadata, spec }: SmsNumber) {
    for (const other of this.watches.smsNumbers.store.byIndex("digits", spec.number))
      this.#smsNumbers.enqueue(keyOf(other));
    this.#wakeNumbersOf(`${metadata.namespace}/${spec.workStreamRef.name}`);
    this.#forgetNamespace(metadata.namespace!);
  }

  #forgetNamespace(namespace: string) {
    const { workStreams, smsNumbers } = this.watches;
    if (workStreams.store.list(namespace).length === 0 && smsNumbers.store.list(namespace).length === 0)
      this.#namespaces.forget(namespace);
  }

  /** The number that a stream's status speaks of: who holds it, else the oldest that asks for it. */
  #numberOf(namespace: string, stream: string) {
    const numbers = this.watches.smsNumbers.store
      .byIndex("stream", `${namespace}/${stream}`)
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const holder = numbers.find(({ metadata }) => this.records.claimOf(metadata.uid!) !== undefined);
    const oldest = numbers.reduce<SmsNumber | undefined>(
      (best, each) => (best === undefined || createdAt(each) < createdAt(best) ? each : best),
      undefined,
    );
    const number = holder ?? oldest;
    if (number === undefined) return undefined;
    const ready = number.status?.conditions?.find(({ type }) => type === "Ready");
    return {
      name: number.metadata.name,
      status: ready?.status ?? ("Unknown" as const),
      reason: ready?.reason ?? "Progressing",
      message: ready?.message ?? "",
    };
  }

  #digitsOf(route: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream" | "accountSid">): string[] {
    const deps = {
      streams: this.#streams,
      workStream: (namespace: string, name: string) => this.watches.workStreams.store.get(namespace, name),
    };
    const observed = this.watches.smsNumbers.store
      .byIndex("stream", `${route.namespace}/${route.stream}`)
      .filter(
        ({ metadata, spec }) =>
          spec.managementPolicy === "Observe" && metadata.deletionTimestamp === undefined,
      )
      .filter((number) => candidateOf(deps, number).found === true);
    return digitsOf(route, this.records, observed);
  }

  async #refreshDigits(namespaceUid: string, stream: string) {
    for (const route of this.records.routesOf(namespaceUid, stream)) {
      const numbers = this.#digitsOf(route);
      await this.records.updateRoute(routeKey(route), route, (before) => before && { ...before, numbers });
    }
  }

  #pointedAt(inbound: string): boolean {
    for (const { configured } of this.records.claims())
      if (configured?.url.split("#")[0] === inbound) return true;
    return false;
  }

  #scheduleUpkeep() {
    this.#cancelUpkeep = this.#options.clock.after(
      UPKEEP_MS,
      () => void this.#upkeep().finally(() => !this.#stop.signal.aborted && this.#scheduleUpkeep()),
    );
  }

  async #upkeep() {
    const { leader, clock, log } = this.#options;
    const { workStreams, smsNumbers } = this.watches;
    if (
      (leader !== undefined && leader.term === undefined) ||
      !workStreams.hasSynced ||
      !smsNumbers.hasSynced
    )
      return;
    try {
      await this.#loaded;
      const live = new Set(smsNumbers.store.list().map(({ metadata }) => metadata.uid));
      for (const { uid, phoneNumberSid } of [...this.records.claims()]) {
        // Its finalizer was removed by hand: whoever did that meant to let go.
        if (!live.has(uid)) await this.records.dropClaim(phoneNumberSid);
      }
      const dropped = await keepUp(
        this.records,
        { hasStream: (route) => this.#streamUses(route), hasClaim: (route) => this.#claimUses(route) },
        clock.now(),
      );
      for (const key of dropped) this.#checks.forget(key);
    } catch (error) {
      if (!this.#stop.signal.aborted) log.warn({ err: error }, "upkeep of routes failed, will retry");
    }
  }

  #streamUses(route: RouteRecord): boolean {
    const key = `${route.namespace}/${route.stream}`;
    if (this.watches.workStreams.store.getByKey(key) === undefined) return false;
    const state = this.#streams.get(key);
    return state?.routeKey === undefined || state.routeKey === routeKey(route);
  }

  #claimUses({ namespaceUid, stream, accountSid }: RouteRecord): boolean {
    return this.records.claimsOfStream(namespaceUid, stream).some((claim) => claim.accountSid === accountSid);
  }
}

const createdAt = ({ metadata }: SmsNumber) => metadata.creationTimestamp ?? "";

function readyText(object: SmsNumber | undefined): string {
  const ready = object?.status?.conditions?.find(({ type }) => type === "Ready");
  return `${ready?.status} ${ready?.reason} ${ready?.message}`;
}

/** `smschannel work` owns the rest. */
function ownStreamStatus(status: Record<string, unknown>): Record<string, unknown> {
  const { conversations, appliedGeneration, ...own } = status;
  const { work, ...applied } = (appliedGeneration ?? {}) as Record<string, unknown>;
  return { ...own, ...(appliedGeneration === undefined ? {} : { appliedGeneration: applied }) };
}

function ownNumberStatus(status: Record<string, unknown>): Record<string, unknown> {
  const { lastInboundTime, ...own } = status;
  return own;
}
