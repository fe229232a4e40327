import type { Registry } from "@prometheus-io/client";
import { Counter } from "@prometheus-io/client";
import { orAborted } from "../aborted.ts";
import { type SmsNumber, smsNumbers, type WorkStream, workStreams } from "../api/index.ts";
import type { Clock } from "../clock.ts";
import type { DatabaseUrl } from "../inbox/database-url.ts";
import type { KubeClient } from "../kube/client.ts";
import { Controller } from "../kube/controller.ts";
import { EventRecorder } from "../kube/events.ts";
import type { LeaderElector } from "../kube/leader.ts";
import { ALWAYS, type Term } from "../leadership.ts";
import type { Log } from "../log.ts";
import { testRoute } from "../routes/test-route.ts";
import { RuleJudge } from "../rules/judge.ts";
import { Twilio } from "../twilio/twilio.ts";
import { Accounts } from "./accounts/accounts.ts";
import { type Activity, noActivity, watchActivity } from "./activity.ts";
import { NamespaceUids } from "./namespaces.ts";
import { operatingHoursController } from "./operatinghours/controller.ts";
import { ownNumberStatus, ownStreamStatus } from "./owned-status.ts";
import { Records } from "./records/records.ts";
import { RecordsOfTerm } from "./records/records-of-term.ts";
import { createSecretStore } from "./records/secret-store.ts";
import { testAccount } from "./records/test-account.ts";
import { Relations } from "./relations.ts";
import { Checks } from "./selfcheck/checks.ts";
import { createProber, type Prober } from "./selfcheck/probe.ts";
import { Endings } from "./smsnumber/cleanup/endings.ts";
import { smsNumberFinalizer, urgentInMs } from "./smsnumber/cleanup/finalize.ts";
import { LET_GO_REASONS } from "./smsnumber/cleanup/let-go.ts";
import { deletionSeen, leftMs } from "./smsnumber/cleanup/patience.ts";
import type { SmsNumberDeps } from "./smsnumber/deps.ts";
import { waitsForSurroundings } from "./smsnumber/look.ts";
import { failedVerdicts as failedNumber, firstSight, numberVerdicts } from "./smsnumber/outcome.ts";
import { NewNumbers } from "./smsnumber/previous/new-numbers.ts";
import { createPreviousWebhooks, type PreviousWebhooks } from "./smsnumber/previous/previous-webhooks.ts";
import { smsNumberReconciler } from "./smsnumber/reconcile.ts";
import { Touches } from "./touches.ts";
import { Upkeep } from "./upkeep.ts";
import { secretOf, Wakeups } from "./wakeups.ts";
import { Watches } from "./watches.ts";
import { CredentialChecks } from "./workstream/credential-checks.ts";
import type { WorkStreamDeps } from "./workstream/deps.ts";
import { failedVerdicts as failedStream, streamUrls } from "./workstream/outcome.ts";
import { workStreamReconciler } from "./workstream/reconcile.ts";
import { RoutingChecks } from "./workstream/routing-checks.ts";
import { secretChangedWhileAway } from "./workstream/secret-changed.ts";
import { createSecretReader, type SecretReader } from "./workstream/secret-reader.ts";
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
  databaseUrl: DatabaseUrl | undefined;
  twilioBaseUrl: string | undefined;
  urlCheck: "enforce" | "report" | "off";
  urlCheckAddress: string | undefined;
  resyncIntervalMs: number;
  takeOverFrom: string | undefined;
  /** Give the receivers a route of the release's own, for `smschannel test-text`. */
  testRoute?: boolean;
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
  /** Objects of a kind that are worked on at a time; tests make it small. */
  workers?: number;
}

export const FINALIZER = "smschannel.dev/webhook";
/** Reconciles mostly wait (for Twilio, for Secrets, for self-checks), and cost nothing while they do. */
const WORKERS = 300;
/** For one request to Twilio. It must fit into what is left of the Lease, or it does not begin. */
const TWILIO_TIMEOUT_MS = 8000;

/** The controllers of all kinds, and what they share: `start` it once the leader election runs, `stop` it before that ends. */
export class Operator {
  readonly watches: Watches;
  readonly records: Records;
  readonly #options: OperatorOptions;
  /** For what only a leader may write. */
  readonly #leadersClient: KubeClient;
  readonly #stop = new AbortController();
  readonly #twilio: Twilio;
  readonly #prober: Prober;
  readonly #events: EventRecorder;
  readonly #accounts: Accounts;
  readonly #checks: Checks;
  readonly #streams: Streams;
  readonly #relations: Relations;
  readonly #recordsOfTerm: RecordsOfTerm;
  readonly #previous: PreviousWebhooks;
  readonly #upkeep: Upkeep;
  readonly #countLetGo: (reason: string) => void;
  readonly #wakeups: Wakeups;
  readonly #activity: Activity;
  readonly #credentialChecks: CredentialChecks;
  readonly #secretReader: SecretReader;
  readonly #namespaces: NamespaceUids;
  readonly #touchedNumbers: Touches<SmsNumber>;
  readonly #touchedStreams: Touches<WorkStream>;
  readonly #newNumbers: NewNumbers;
  readonly #ruleJudge = new RuleJudge();
  readonly #routing: RoutingChecks;
  readonly #workStreams: Controller<WorkStream>;
  readonly #smsNumbers: Controller<SmsNumber>;
  readonly #operatingHours: ReturnType<typeof operatingHoursController>;
  #offTerm = () => {};
  #atWorkSinceMs = 0;

  constructor(options: OperatorOptions) {
    const { config, client, clock, log, registry, identity, leader } = options;
    this.#options = options;
    this.#leadersClient = leader === undefined ? client : client.whileLeading(leader);
    this.watches = new Watches({ client, namespaces: config.watchNamespaces, clock, log, registry });
    this.#twilio = new Twilio({
      clock,
      log,
      registry,
      timeoutMs: TWILIO_TIMEOUT_MS,
      ...(leader === undefined ? {} : { leadership: leader }),
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
    this.#credentialChecks = new CredentialChecks(this.#twilio, clock, config.resyncIntervalMs);
    const { secrets, workStreams, smsNumbers } = this.watches;
    this.#touchedNumbers = new Touches(smsNumbers, clock);
    this.#touchedStreams = new Touches(workStreams, clock);
    this.#newNumbers = new NewNumbers(smsNumbers);
    this.#secretReader = createSecretReader({
      client,
      metadata: secrets.store,
      knows: (namespace) => secrets.knows(namespace),
      used: (namespace, name) => workStreams.store.byIndex("secret", `${namespace}/${name}`).length > 0,
    });
    this.#routing = new RoutingChecks({
      judge: this.#ruleJudge,
      clock,
      log,
      onChange: (key) => this.#workStreams.enqueue(key),
    });
    this.#wakeups = new Wakeups(() => ({
      watches: this.watches,
      records: this.records,
      streams: this.#streams,
      accounts: this.#accounts,
      credentialChecks: this.#credentialChecks,
      touchedStreams: this.#touchedStreams,
      routing: this.#routing,
      secretReader: this.#secretReader,
      namespaces: this.#namespaces,
      workStreams: this.#workStreams,
      smsNumbers: this.#smsNumbers,
    }));
    this.records = this.#createRecords();
    this.#recordsOfTerm = new RecordsOfTerm(this.records, { clock, log });
    this.#streams = new Streams((key) => this.#wakeups.numbersOf(key));
    this.#relations = new Relations(this.watches, this.records, this.#streams);
    this.#accounts = new Accounts({
      twilio: this.#twilio,
      clock,
      log,
      resyncIntervalMs: config.resyncIntervalMs,
      onResync: (fingerprint) => this.#wakeups.accountResynced(fingerprint),
      waitsForSurroundings: (fingerprint) => this.#waitsForSurroundings(fingerprint),
    });
    this.#activity =
      config.databaseUrl === undefined
        ? noActivity
        : watchActivity({
            databaseUrl: config.databaseUrl,
            clock,
            log,
            onChange: (key) => this.#wakeups.route(key, "resync"),
            onSilent: (key) => this.#wakeups.silent(key),
          });
    this.#checks = new Checks({
      prober: this.#prober,
      clock,
      log,
      lastAcceptedTextMs: (key) => this.#activity.lastAcceptedAt(key),
      onChange: (key) => this.#wakeups.route(key, "change"),
    });
    const previous = createPreviousWebhooks({
      client: this.#leadersClient,
      log,
      namespace: config.operatorNamespace,
      instance: config.instance,
      takeOverFrom: config.takeOverFrom,
    });
    this.#previous = {
      ...previous,
      save: async (uid, webhook, signal) => {
        this.#newNumbers.end(uid);
        await previous.save(uid, webhook, signal);
      },
    };
    this.#countLetGo = letGoCounter(registry);
    this.#upkeep = new Upkeep({
      clock,
      log,
      watches: this.watches,
      records: this.records,
      relations: this.#relations,
      checks: this.#checks,
      previous: this.#previous,
      countLetGo: this.#countLetGo,
      leading: () => options.leader === undefined || options.leader.term !== undefined,
      loaded: () => this.#recordsOfTerm.loaded,
    });
    this.#workStreams = this.#createWorkStreams();
    this.#smsNumbers = this.#createSmsNumbers();
    this.#operatingHours = operatingHoursController({
      ...this.#controllerOptions(),
      informer: this.watches.operatingHours,
    });
    this.#wakeups.listen();
    for (const informer of this.watches.all) informer.onRewound(() => void this.#restored());
  }

  start() {
    const { leader } = this.#options;
    this.#offTerm = leader?.onTerm((term) => this.#beginTerm(term)) ?? (() => {});
    if (leader === undefined) this.#beginTerm(ALWAYS);
    this.watches.start();
    this.#workStreams.start();
    this.#smsNumbers.start();
    this.#operatingHours.start();
    this.#upkeep.start();
  }

  /** Lets what is under way come to its end; the Lease is released after this, not before. */
  async stop() {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new Error("operator stopped"));
    this.#offTerm();
    this.#upkeep.stop();
    this.#checks.stop();
    // Before the controllers: their reconciles may wait for a resync's reading.
    this.#accounts.stop();
    await Promise.all([this.#workStreams.stop(), this.#smsNumbers.stop(), this.#operatingHours.stop()]);
    await Promise.allSettled([
      this.watches.stop(),
      this.#activity.stop(),
      this.#events.stop(),
      this.#twilio.stop(),
      this.#prober.close(),
      this.#ruleJudge.stop(),
    ]);
  }

  /** Why this replica is not at work, for `/readyz`; undefined when it is, or waits its turn. */
  problem(): string | undefined {
    return this.watches.problem();
  }

  #createRecords(): Records {
    const { config, clock } = this.#options;
    const own = {
      client: this.#leadersClient,
      namespace: config.operatorNamespace,
      instance: config.instance,
      signal: this.#stop.signal,
    };
    const { publicUrl } = publicUrls(config.publicUrl, config.fallbackPublicUrl);
    const { namespace } = own;
    const store = createSecretStore({
      ...own,
      shards: config.routeShards,
      testRoute:
        config.testRoute === true
          ? async () => await testRoute(await testAccount(own), { publicUrl, namespace })
          : undefined,
    });
    return new Records({
      store,
      shards: config.routeShards,
      maxStreamsPerNamespace: config.maxStreamsPerNamespace,
      clock,
      isLive: (route) => this.#relations.hasStream(route),
      onForgotten: (key) => this.#checks.forget(key),
    });
  }

  /** A backup of the cluster was restored: what is remembered by name or version may be of another object. */
  async #restored() {
    this.#secretReader.clear();
    this.#namespaces.clear();
    const { leader, log } = this.#options;
    if (leader !== undefined && leader.term === undefined) return;
    try {
      await this.#recordsOfTerm.loaded;
      const problems = await this.records.restored();
      for (const err of problems)
        log.error({ err }, "one of the operator's own secrets cannot be written, will retry");
    } catch {
      // The term is over: the next one reads everything anew.
    }
  }

  #waitsForSurroundings(fingerprint: string): boolean {
    const { store } = this.watches.smsNumbers;
    const streams = [...this.#accounts.usersOf(fingerprint)];
    return streams.some((stream) => store.byIndex("stream", stream).some(waitsForSurroundings));
  }

  /** Before the controllers, which listen later, put anything to work. */
  #beginTerm(term: Term) {
    const ending = AbortSignal.any([term.signal, this.#stop.signal]);
    this.#recordsOfTerm.begin(ending);
    this.#newNumbers.begin(this.watches.smsNumbers.store.list());
    this.#credentialChecks.begin(ending);
    this.#accounts.begin(term);
    this.#checks.begin(term);
    // What was seen by the end of the last term, or a little later by who was still at work, is from before another leader.
    const forget = () => {
      this.#streams.clear();
      this.#credentialChecks.clear();
    };
    forget();
    term.signal.addEventListener("abort", forget, { once: true });
    const atWork = () => {
      this.#atWorkSinceMs = this.#options.clock.monotonic();
    };
    atWork();
    // Until then nothing is tried, and that may take longer than a deletion waits.
    Promise.all([this.#recordsOfTerm.loaded, this.watches.synced]).then(atWork, () => {});
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
      upstreamOf: ({ metadata }) => this.#upstreamOf(metadata.namespace!, metadata.name),
      // A token in it may have been promoted meanwhile.
      changedWhileAway: (stream) => secretChangedWhileAway(this.watches.secrets.store, stream),
      ownStatus: ownStreamStatus,
      firstSight: ({ metadata }) => ({
        verdicts: streamVerdicts({
          credentials: undefined,
          urlProblem: undefined,
          url: undefined,
          number: "unseen",
        }),
        status: streamUrls(deps.urls, metadata.namespace!, metadata.name),
      }),
      reconcile: async (ctx) => {
        await orAborted(this.#recordsOfTerm.loaded, ctx.patience);
        try {
          return await reconcile(ctx);
        } finally {
          this.#wakeups.streamReconciled(ctx.object);
        }
      },
      onFailure: (object, error) => failedStream(object, error, this.#routing.problems(object)),
      onGone: (object) => this.#wakeups.streamGone(object),
    });
  }

  #createSmsNumbers(): Controller<SmsNumber> {
    const deps = this.#smsNumberDeps();
    const reconcile = smsNumberReconciler(deps);
    const endings = new Endings();
    const finalize = smsNumberFinalizer(deps, endings);
    return new Controller<SmsNumber>({
      ...this.#controllerOptions(),
      type: smsNumbers,
      informer: this.watches.smsNumbers,
      finalizer: FINALIZER,
      upstreamOf: ({ metadata, spec }) => this.#upstreamOf(metadata.namespace!, spec.workStreamRef.name),
      urgentInMs: (number) => urgentInMs(number, () => deps.deletionLeftMs(number)),
      ownStatus: ownNumberStatus,
      firstSight: () => ({ verdicts: numberVerdicts(firstSight) }),
      reconcile: async (ctx) => {
        // A deletion does not wait for this.
        await orAborted(this.#recordsOfTerm.loaded, ctx.patience);
        return await reconcile(ctx);
      },
      finalize,
      onFailure: failedNumber,
      onGone: (object) => {
        endings.forget(object.metadata.uid!);
        this.#wakeups.numberGone(object);
      },
    });
  }

  /**
   * The account that a stream's work waits for. While its credentials are not known the Secret stands for it: streams that
   * share one share an account.
   */
  #upstreamOf(namespace: string, stream: string): string | undefined {
    const known = this.#streams.get(`${namespace}/${stream}`)?.fingerprint;
    if (known !== undefined) return known;
    const object = this.watches.workStreams.store.get(namespace, stream);
    return object === undefined ? undefined : `${namespace}/${secretOf(object)}`;
  }

  #controllerOptions() {
    const { client, clock, log, registry, leader, config, workers = WORKERS } = this.#options;
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
      workers,
      // What has not been seen yet is not missing.
      startAfter: this.watches.synced,
    };
  }

  #workStreamDeps(): WorkStreamDeps {
    const { config, clock } = this.#options;
    return {
      clock,
      records: this.records,
      accounts: this.#accounts,
      checks: this.#checks,
      credentialChecks: this.#credentialChecks,
      touchedAt: (stream) => this.#touchedStreams.at(stream),
      resyncFailed: (stream) => this.#wakeups.numbersOf(stream, "resync"),
      routing: this.#routing,
      streams: this.#streams,
      secrets: this.#secretReader,
      activity: this.#activity,
      urls: publicUrls(config.publicUrl, config.fallbackPublicUrl),
      publicUrlProblem: publicUrlProblem(config.publicUrl, config.allowInsecurePublicUrl),
      urlCheck: config.urlCheck,
      namespaceUid: (namespace, signal) => this.#namespaces.uidOf(namespace, signal),
      numberOf: (namespace, stream) => this.#relations.numberOf(namespace, stream),
      digitsOf: (route) => this.#relations.digitsOf(route),
      pointedAt: (urls) => this.records.pointedAt(urls),
    };
  }

  #smsNumberDeps(): SmsNumberDeps {
    const { config, clock, registry } = this.#options;
    const drift = new Counter({
      name: "smschannel_webhook_drift_total",
      help: "Webhooks that somebody changed and that were set back.",
      registers: [registry],
    });
    const { workStreams, smsNumbers, operatingHours } = this.watches;
    const seenAt = deletionSeen(smsNumbers, clock);
    return {
      clock,
      records: this.records,
      recordsLoaded: (signal) => orAborted(this.#recordsOfTerm.loaded, signal),
      accounts: this.#accounts,
      checks: this.#checks,
      streams: this.#streams,
      previous: this.#previous,
      newNumbers: this.#newNumbers,
      urls: publicUrls(config.publicUrl, config.fallbackPublicUrl),
      urlCheck: config.urlCheck,
      deletionLeftMs: (number) =>
        leftMs({
          seenAtMs: seenAt(number),
          atWorkSinceMs: this.#atWorkSinceMs,
          nowMs: clock.monotonic(),
          timeoutMs: config.deleteTimeoutMs,
        }),
      touchedAt: (number) => this.#touchedNumbers.at(number),
      workStream: (namespace, name) => workStreams.store.get(namespace, name),
      knowsWorkStreams: (namespace) => workStreams.knows(namespace),
      lacksHours: (namespace, name) =>
        operatingHours.knows(namespace) && operatingHours.store.get(namespace, name) === undefined,
      numbersWithDigits: (digits) => smsNumbers.store.byIndex("digits", digits),
      numbersOfStream: (namespace, stream) => smsNumbers.store.byIndex("stream", `${namespace}/${stream}`),
      namespaceUid: (namespace, signal) => this.#namespaces.uidOf(namespace, signal),
      refreshDigits: (namespaceUid, stream) => this.#relations.refreshDigits(namespaceUid, stream),
      wakeStream: (namespace, stream) => this.#workStreams.enqueue(`${namespace}/${stream}`),
      wakeNumber: (namespace, name) => this.#smsNumbers.enqueue(`${namespace}/${name}`),
      credentialsRefused: (stream) => this.#wakeups.credentialsRefused(stream),
      countDrift: () => drift.inc(),
      countLetGo: this.#countLetGo,
    };
  }
}

/** Every reason is there from the start: Prometheus sees no increase in a counter whose first value is 1. */
function letGoCounter(registry: Registry): (reason: string) => void {
  const counter = new Counter({
    name: "smschannel_finalizer_gave_up_total",
    help: "Numbers that were let go without their webhook at Twilio given back, by reason.",
    labelNames: ["reason"] as const,
    registers: [registry],
  });
  for (const reason of LET_GO_REASONS) counter.inc({ reason }, 0);
  return (reason) => counter.inc({ reason });
}
