/**
 * The operator as a whole. One constructor makes all parts, from the bottom up, and gives each part the parts that it
 * needs. So no part lacks another part after it was made, and a reader sees which part depends on which. The parts are
 * also started and stopped here, in an order that matters: comments at the calls say why.
 */

import type { Registry } from "@prometheus-io/client";
import { orAborted } from "../aborted.ts";
import type { Clock } from "../clock.ts";
import type { DatabaseUrl } from "../inbox/database-url.ts";
import type { KubeClient } from "../kube/client/client.ts";
import type { ControllerRuntime } from "../kube/controller/controller.ts";
import type { LeaderElector } from "../kube/leader/leader.ts";
import { EventRecorder } from "../kube/status/events.ts";
import { ALWAYS, type Term } from "../leadership.ts";
import type { Log } from "../log.ts";
import { publicUrlProblem } from "../routes/public-url.ts";
import { testRoute } from "../routes/test-route.ts";
import { publicUrls } from "../routes/urls.ts";
import { RuleJudge } from "../rules/judge.ts";
import { Twilio } from "../twilio/twilio.ts";
import { Accounts } from "./accounts/accounts.ts";
import { noEvidence, watchEvidence } from "./evidence/evidence.ts";
import { Forgetting } from "./forgetting.ts";
import { controllerMetrics } from "./metrics.ts";
import { NamespaceUids } from "./namespaces.ts";
import { operatingHoursController } from "./operatinghours/controller.ts";
import { createQueues } from "./queues.ts";
import type { RouteRecord } from "./records/record.ts";
import { Records } from "./records/records.ts";
import { RecordsOfTerm } from "./records/records-of-term.ts";
import { createSecretStore } from "./records/secret-store.ts";
import { testAccount } from "./records/test-account.ts";
import { hasStream, Relations } from "./relations.ts";
import { Checks } from "./selfcheck/checks.ts";
import { createProber } from "./selfcheck/probe.ts";
import { smsNumberController } from "./smsnumber/controller.ts";
import { waitsForSurroundings } from "./smsnumber/look.ts";
import { NewNumbers, notingSaved } from "./smsnumber/previous/new-numbers.ts";
import { createPreviousWebhooks } from "./smsnumber/previous/previous-webhooks.ts";
import { seenBy } from "./smsnumber/seen.ts";
import { touchesOfStreams } from "./touches.ts";
import { Upkeep } from "./upkeep/upkeep.ts";
import { Wakeups } from "./wakeups.ts";
import { Watches } from "./watches.ts";
import { workStreamController } from "./workstream/controller.ts";
import { CredentialChecks } from "./workstream/credential-checks.ts";
import { RoutingChecks } from "./workstream/routing-checks.ts";
import { createSecretReader, type SecretReader } from "./workstream/secret-reader.ts";
import { Streams } from "./workstream/streams.ts";

/** The settings that the controllers need. src/main/config.ts explains each of them. */
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
  /** Whether the receivers get a route of the installation's own, for `smschannel test-text` (ADR 19). */
  testRoute?: boolean;
}

/** What the operator is given from outside: its settings, clients and clock. Tests pass their own. */
export interface OperatorOptions {
  config: OperatorConfig;
  client: KubeClient;
  /** Without a leader elector this process leads all the time. */
  leader: LeaderElector | undefined;
  /** The name of this process in events. */
  identity: string;
  clock: Clock;
  log: Log;
  registry: Registry;
  /** How many objects of a kind are worked on at the same time, in place of WORKERS; tests make it small. */
  workers?: number;
}

/**
 * How many objects of a kind are worked on at the same time. An attempt mostly waits (for Twilio, for Secrets, for
 * self-checks) and costs little while it waits, so there can be many.
 */
const WORKERS = 300;
/**
 * The longest time for one request to Twilio. A request begins only if it is certain to end before the Lease expires,
 * so this time is shorter than the duration of the Lease.
 */
const TWILIO_TIMEOUT_MS = 8000;

/** A part that can be started, and whose `stop` waits for the work that is under way. */
interface Part {
  start?(): void;
  stop(): unknown;
}

/**
 * The controllers of all kinds, and the parts that they share. Call `start` once the leader election runs, and `stop`
 * before the election ends: an attempt under way may still have to write.
 */
export class Operator {
  readonly watches: Watches;
  readonly records: Records;
  readonly #options: OperatorOptions;
  readonly #stop = new AbortController();
  readonly #streams = new Streams();
  readonly #namespaces: NamespaceUids;
  readonly #secretReader: SecretReader;
  readonly #newNumbers: NewNumbers;
  readonly #credentialChecks: CredentialChecks;
  readonly #recordsOfTerm: RecordsOfTerm;
  readonly #accounts: Accounts;
  readonly #checks: Checks;
  /** The controllers, in the order in which they are started. They are started after the watches. */
  readonly #controllers: readonly Part[];
  readonly #upkeep: Upkeep;
  /** Parts that the controllers use until their last attempt. They are stopped after the controllers, in any order. */
  readonly #shared: readonly Part[];
  #offTerm = () => {};
  #atWorkSinceMs = 0;

  /**
   * Builds the operator in layers, each from the layers below it: the watches, the queues, the records, the wakeups,
   * the clients of the outside world, and the controllers. Everything that listens to an informer is made here,
   * before the informers start, because it would otherwise miss their first events.
   */
  constructor(options: OperatorOptions) {
    const { config, client, clock, log, registry, identity, leader, workers = WORKERS } = options;
    this.#options = options;
    // Records and saved webhooks are written by this client, which refuses to write while this process does not hold
    // the Lease.
    const leadersClient = leader === undefined ? client : client.whileLeading(leader);
    const streams = this.#streams;

    const watches = new Watches({ client, namespaces: config.watchNamespaces, clock, log, registry });
    this.watches = watches;
    this.#namespaces = new NamespaceUids(client);
    const touchedStreams = touchesOfStreams(watches, clock);
    this.#newNumbers = new NewNumbers(watches.smsNumbers);
    const seen = seenBy({
      watches,
      namespaces: this.#namespaces,
      clock,
      deleteTimeoutMs: config.deleteTimeoutMs,
      atWorkSinceMs: () => this.#atWorkSinceMs,
    });
    this.#secretReader = createSecretReader({
      client,
      metadata: watches.secrets.store,
      knows: (namespace) => watches.secrets.knows(namespace),
      used: (namespace, name) =>
        watches.workStreams.store.byIndex("secret", `${namespace}/${name}`).length > 0,
    });

    const queues = createQueues({ watches, streams, clock, workers });

    this.records = createRecords(options, {
      client: leadersClient,
      isLive: (route) => hasStream({ watches, streams }, route),
      signal: this.#stop.signal,
    });
    this.#recordsOfTerm = new RecordsOfTerm(this.records, { clock, log });
    const relations = new Relations(watches, this.records, streams);
    const previous = createPreviousWebhooks({
      client: leadersClient,
      log,
      namespace: config.operatorNamespace,
      instance: config.instance,
      takeOverFrom: config.takeOverFrom,
    });

    const wakeups = new Wakeups({ queues, watches, streams, records: this.records });

    const twilio = new Twilio({
      clock,
      log,
      registry,
      timeoutMs: TWILIO_TIMEOUT_MS,
      ...(leader === undefined ? {} : { leadership: leader }),
      ...(config.twilioBaseUrl === undefined ? {} : { baseUrl: config.twilioBaseUrl }),
    });
    this.#credentialChecks = new CredentialChecks(twilio, clock, config.resyncIntervalMs);
    const credentialsRefused = (stream: string) => {
      const account = streams.get(stream)?.account;
      // Twilio refused the credentials of one stream, and would refuse all streams with the same credentials. So the
      // shared answer of the last credential check is marked as doubtful, and this stream checks the credentials again.
      if (account !== undefined) this.#credentialChecks.doubt(account.twilio.fingerprint);
      wakeups.stream(stream);
    };
    this.#accounts = new Accounts({
      twilio,
      clock,
      log,
      resyncIntervalMs: config.resyncIntervalMs,
      waitsForSurroundings: (users) =>
        [...users].some((stream) =>
          watches.smsNumbers.store.byIndex("stream", stream).some(waitsForSurroundings),
        ),
      onResync({ streams, promoted }) {
        for (const stream of streams) {
          wakeups.numbersOf(stream, "resync");
          // The resync logged in with the second token because Twilio refused the first. The condition of each stream
          // of the account must say so.
          if (promoted) credentialsRefused(stream);
        }
      },
    });
    const evidence = this.#watchEvidence(wakeups);
    // The prober has connections of its own, so that a slow ingress in front of the receiver takes no connections
    // from the requests to Twilio.
    const prober = createProber(
      config.urlCheckAddress === undefined ? {} : { address: config.urlCheckAddress },
    );
    this.#checks = new Checks({
      prober,
      clock,
      log,
      lastAcceptedTextMs: (key) => evidence.lastAcceptedAt(key),
      onChange: (key) => wakeups.route(key, "change"),
    });
    // A route that was evicted from the records needs no more self-checks.
    this.records.onEvicted((key) => this.#checks.forget(key));
    const ruleJudge = new RuleJudge();
    const routing = new RoutingChecks({
      judge: ruleJudge,
      clock,
      log,
      onChange: (key) => wakeups.stream(key),
    });
    const forgetting = new Forgetting({
      watches,
      streams,
      accounts: this.#accounts,
      credentialChecks: this.#credentialChecks,
      routing,
      secretReader: this.#secretReader,
      namespaces: this.#namespaces,
    });

    const metrics = controllerMetrics(registry);
    const events = new EventRecorder({
      client,
      clock,
      log,
      reportingController: "smschannel.dev/controller",
      reportingInstance: identity,
    });
    // No controller starts before all watches have their first list. An attempt on an SmsNumber, for example, that
    // cannot see its WorkStream yet would report a wrong condition.
    const runtime = runtimeOf(options, { events, startAfter: watches.synced });
    const shared = {
      clock,
      records: this.records,
      accounts: this.#accounts,
      checks: this.#checks,
      streams,
      urls: publicUrls(config.publicUrl, config.fallbackPublicUrl),
      urlCheck: config.urlCheck,
    };
    const workStreams = workStreamController(
      {
        informer: watches.workStreams,
        queue: queues.workStreams,
        resyncIntervalMs: config.resyncIntervalMs,
        secrets: watches.secrets.store,
        recordsLoaded: () => this.#recordsOfTerm.loaded,
        onReconciled(object) {
          if (forgetting.streamReconciled(object)) wakeups.streamGone(object);
        },
        onGone(object) {
          forgetting.streamGone(object);
          wakeups.streamGone(object);
        },
        deps: {
          ...shared,
          credentialChecks: this.#credentialChecks,
          touchedAt: (stream) => touchedStreams.at(stream),
          resyncFailed: (stream) => wakeups.numbersOf(stream, "resync"),
          routing,
          secrets: this.#secretReader,
          evidence,
          publicUrlProblem: publicUrlProblem(config.publicUrl, config.allowInsecurePublicUrl),
          namespaceUid: seen.namespaceUid,
          numberOf: (namespace, stream) => relations.numberOf(namespace, stream),
          digitsOf: (route) => relations.digitsOf(route),
          pointedAt: (urls) => this.records.pointedAt(urls),
        },
      },
      runtime,
    );
    const smsNumbers = smsNumberController(
      {
        informer: watches.smsNumbers,
        queue: queues.smsNumbers,
        onGone(object) {
          forgetting.numberGone(object);
          wakeups.numberGone(object);
        },
        deps: {
          ...shared,
          seen,
          recordsLoaded: (signal) => orAborted(this.#recordsOfTerm.loaded, signal),
          refreshDigits: (namespaceUid, stream) => relations.refreshDigits(namespaceUid, stream),
          previous: notingSaved(previous, this.#newNumbers),
          newNumbers: this.#newNumbers,
          wake: {
            stream: (namespace, name) => wakeups.stream(`${namespace}/${name}`),
            number: (namespace, name) => wakeups.number(`${namespace}/${name}`),
            credentialsRefused,
          },
          metrics,
        },
      },
      runtime,
    );
    const hours = operatingHoursController({ informer: watches.operatingHours, workers }, runtime);
    this.#controllers = [workStreams, smsNumbers, hours];
    this.#upkeep = new Upkeep({
      clock,
      log,
      watches,
      records: this.records,
      hasStream: (route) => hasStream({ watches, streams }, route),
      checks: this.#checks,
      previous,
      metrics,
      onLetGo: (held) => wakeups.numberFree(held),
      leading: () => this.#leads(),
      loaded: () => this.#recordsOfTerm.loaded,
    });
    // Some of these parts hold threads and sockets, which would keep the process alive if they were not closed.
    this.#shared = [watches, evidence, events, twilio, { stop: () => prober.close() }, ruleJudge];
    // If any watch notices that a backup of the cluster was restored, what is remembered of objects of every kind may
    // be wrong.
    for (const informer of watches.all) informer.onRewound(() => void this.#restored());
  }

  start() {
    const { leader } = this.#options;
    // The records listen for terms before the controllers do: when a term begins, the records must be loading before
    // any attempt waits for them.
    this.#offTerm = leader?.onTerm((term) => this.#beginTerm(term)) ?? (() => {});
    if (leader === undefined) this.#beginTerm(ALWAYS);
    this.watches.start();
    for (const controller of this.#controllers) controller.start?.();
    this.#upkeep.start();
  }

  /**
   * Stops all parts, and waits for the attempts and for the writes of records that are under way. The process must not
   * give up the Lease before the promise resolves.
   */
  async stop() {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new Error("operator stopped"));
    this.#offTerm();
    this.#upkeep.stop();
    this.#checks.stop();
    // The accounts stop before the controllers, because attempts may be waiting for the list that a resync reads.
    this.#accounts.stop();
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    await Promise.allSettled(this.#shared.map((part) => part.stop()));
    await this.records.settled();
  }

  /** Why this replica cannot work, for `/readyz`. Undefined when it works, or when it waits for its turn to lead. */
  problem(): string | undefined {
    return this.watches.problem();
  }

  /** Whether this process leads. Without leader election it leads all the time. */
  #leads(): boolean {
    const { leader } = this.#options;
    return leader === undefined || leader.term !== undefined;
  }

  /** Starts to read what receivers report, if there is a database to read from. */
  #watchEvidence(wakeups: Wakeups) {
    const { config, clock, log } = this.#options;
    if (config.databaseUrl === undefined) return noEvidence;
    return watchEvidence({
      databaseUrl: config.databaseUrl,
      clock,
      log,
      // Busy routes have new evidence every minute, so it goes into the lane that does not delay changes by users.
      onChange: (key) => wakeups.route(key, "resync"),
      // A setting at Twilio may take the texts of a route that fell silent, so the next resync of the account also
      // reads those settings.
      onSilent: (key) => {
        const route = this.records.route(key);
        if (route !== undefined) this.#accounts.suspect(`${route.namespace}/${route.stream}`);
      },
    });
  }

  /**
   * Drops what is remembered by name or by version, and writes the records again. Runs after a backup of the cluster
   * was restored (ADR 23), because a name or a version may now stand for another object.
   */
  async #restored() {
    this.#secretReader.clear();
    this.#namespaces.clear();
    if (!this.#leads()) return;
    try {
      await this.#recordsOfTerm.loaded;
      const problems = await this.records.restored();
      for (const err of problems)
        this.#options.log.error({ err }, "one of the operator's own secrets cannot be written, will retry");
    } catch {
      // The term is over. The next term reads everything again.
    }
  }

  /**
   * Begins a term in all parts. What the parts saw in an earlier term is dropped, because another leader may have
   * changed something at Twilio since.
   */
  #beginTerm(term: Term) {
    const ending = AbortSignal.any([term.signal, this.#stop.signal]);
    this.#recordsOfTerm.begin(ending);
    this.#newNumbers.begin(this.watches.smsNumbers.store.list());
    this.#credentialChecks.begin(ending);
    this.#accounts.begin(term);
    this.#checks.begin(term);
    // What was found about streams and credentials is forgotten now, and once more at the end of the term. An attempt
    // that is still under way when a term ends may store a finding after the end, so forgetting once is not enough.
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
    // The time limit of a deletion counts from when the records are read and the watches are full. No cleanup can be
    // tried earlier, and the wait for records and watches may be longer than the limit.
    Promise.all([this.#recordsOfTerm.loaded, this.watches.synced]).then(atWork, () => {});
  }
}

/** Makes the records, which are kept in Secrets, with the test route if it is enabled. */
function createRecords(
  { config, clock }: OperatorOptions,
  {
    client,
    isLive,
    signal,
  }: { client: KubeClient; isLive: (route: RouteRecord) => boolean; signal: AbortSignal },
): Records {
  const { operatorNamespace: namespace, instance, routeShards: shards } = config;
  const own = { client, namespace, instance, signal };
  const { publicUrl } = publicUrls(config.publicUrl, config.fallbackPublicUrl);
  const store = createSecretStore({
    ...own,
    shards,
    testRoute:
      config.testRoute === true
        ? async () => await testRoute(await testAccount(own), { publicUrl, namespace })
        : undefined,
  });
  return new Records({
    store,
    shards,
    maxStreamsPerNamespace: config.maxStreamsPerNamespace,
    clock,
    isLive,
  });
}

/**
 * The runtime that all controllers share. The field manager names the installation, so that the API server never
 * takes two installations for one writer.
 */
function runtimeOf(
  { client, clock, log, registry, leader, config }: OperatorOptions,
  own: Pick<ControllerRuntime, "events" | "startAfter">,
): ControllerRuntime {
  const { instance, takeOverFrom } = config;
  const fieldManager = `smschannel-controller/${instance}`;
  return { client, clock, log, registry, leader, instance, fieldManager, takeOverFrom, ...own };
}
