/**
 * The parts of the operator that a finalizer needs, put together for a command that runs once: no watches, no
 * resyncs, no self-checks. The same finalizer code then gives numbers back in both.
 */

import type { SmsNumber, WorkStream } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { keyOf, secrets } from "../../kube/resource.ts";
import { timeText } from "../../kube/status/conditions.ts";
import type { Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import { routeKey } from "../../routes/route.ts";
import { previousPrefix, secretName, testSecretName } from "../../routes/secrets.ts";
import { publicUrlOf, publicUrls } from "../../routes/urls.ts";
import { parseCredentials } from "../../twilio/credentials.ts";
import { Twilio } from "../../twilio/twilio.ts";
import { Accounts } from "../accounts/accounts.ts";
import { NamespaceUids } from "../namespaces.ts";
import { Records } from "../records/records.ts";
import { createSecretStore } from "../records/secret-store.ts";
import type { Finalization } from "../smsnumber/deps.ts";
import { createPreviousWebhooks, isKeptForNumber } from "../smsnumber/previous/previous-webhooks.ts";
import { createSecretReader } from "../workstream/secret-reader.ts";
import { Streams } from "../workstream/streams.ts";
import { bestEffortStore } from "./best-effort-store.ts";

/** As in the operator: it must fit into what is left of the Lease. */
const TWILIO_TIMEOUT_MS = 8000;

/** What finalizers will be run on, and with which means. */
export interface TwilioSideOptions {
  client: KubeClient;
  term: Term;
  operatorNamespace: string;
  instance: string;
  routeShards: number;
  publicUrl: string | undefined;
  twilioBaseUrl: string | undefined;
  timeoutMs: number;
  clock: Clock;
  log: Log;
  streams: readonly WorkStream[];
  numbers: readonly SmsNumber[];
}

/**
 * What finalizers need of the operator, for a process that is not one: its records and Secrets, Twilio, and no
 * watches.
 */
export async function withTwilio(options: TwilioSideOptions, signal: AbortSignal) {
  const { client, term, operatorNamespace, instance, routeShards, clock, log } = options;
  const startedAt = timeText(clock.now());
  const startedMs = clock.monotonic();
  const own = { client, namespace: operatorNamespace, signal };
  const store = bestEffortStore(createSecretStore({ ...own, instance, shards: routeShards }), {
    ...own,
    log,
  });
  const records = new Records({
    store,
    shards: routeShards,
    maxStreamsPerNamespace: Number.POSITIVE_INFINITY,
    clock,
    // No new route is made here, so nothing must be evicted.
    isLive: () => true,
  });
  // The records are about to be deleted, so there is no sense in rewriting them.
  await records.load({ rewrite: false });
  const twilio = new Twilio({
    clock,
    log,
    timeoutMs: TWILIO_TIMEOUT_MS,
    leadership: term,
    ...(options.twilioBaseUrl === undefined ? {} : { baseUrl: options.twilioBaseUrl }),
  });
  const accounts = new Accounts({
    twilio,
    clock,
    log,
    // No resync ever comes: the process ends before.
    resyncIntervalMs: Number.MAX_SAFE_INTEGER,
    onResync: () => {},
    waitsForSurroundings: () => false,
  });
  const namespaces = new NamespaceUids(client);
  const streams = new Streams();
  // Pointed at us by their status, and unknown to the records.
  const unrecorded = options.numbers.filter(
    ({ metadata, status }) =>
      status?.configuredUrl !== undefined && records.claimOf(metadata.uid ?? "") === undefined,
  );
  if (unrecorded.length > 0)
    await learnAccounts(options, { accounts, streams, unrecorded, namespaces }, signal);
  const byKey = new Map(options.streams.map((stream) => [keyOf(stream), stream]));
  const previous = createPreviousWebhooks({ client, log, namespace: operatorNamespace, instance });
  const urls = publicUrls(options.publicUrl ?? publicUrlIn(options.streams), undefined);

  const deps: Finalization = {
    clock,
    records,
    recordsLoaded: async () => {},
    accounts,
    streams,
    previous,
    urls,
    seen: {
      workStream: (namespace, name) => byKey.get(`${namespace}/${name}`),
      // All objects are let go, so none is left to take a number over.
      numbersWithDigits: () => [],
      numbersOfStream: () => [],
      namespaceUid: (namespace) => namespaces.uidOf(namespace, signal),
      // One deadline for all numbers, from the start of the command.
      deletionLeftMs: () => startedMs + options.timeoutMs - clock.monotonic(),
    },
    // Receivers are going away, so their routes need not be kept right.
    refreshDigits: async () => {},
    wake: { stream: () => {}, number: () => {} },
    metrics: { countLetGo: () => {} },
  };

  return {
    startedAt,
    deps,
    /**
     * Deletes the operator's own Secrets, also what was saved for objects that are gone. What is kept for numbers
     * that were not given back stays: nothing else tells where their texts went.
     */
    async deleteSecrets(): Promise<{ deleted: number; kept: number }> {
      // An earlier version wrote `{instance}-work-N` as well, with credentials in it.
      const names = Array.from({ length: routeShards }, (_, shard) =>
        (["controller", "receiver", "work"] as const).map((part) => secretName(instance, part, shard)),
      ).flat();
      const saved = await previousNames(options, signal);
      const kept = saved.filter((name) => isKeptForNumber(instance, name));
      const gone = saved.filter((name) => !kept.includes(name));
      let deleted = 0;
      // The saved webhooks first: the records that name them go last, so that a second run finds what is left.
      for (const name of [...gone, ...names, testSecretName(instance)]) {
        if (await client.delete(secrets, { namespace: operatorNamespace, name }, {}, signal)) deleted += 1;
      }
      return { deleted, kept: kept.length };
    },
    async stop() {
      accounts.stop();
      await twilio.stop();
    },
  };
}

/**
 * Numbers that the records do not know (they were lost, or are another installation's) are reached with the
 * credentials in the streams' own Secrets.
 */
async function learnAccounts(
  { client, streams: objects, log }: TwilioSideOptions,
  {
    accounts,
    streams,
    unrecorded,
    namespaces,
  }: { accounts: Accounts; streams: Streams; unrecorded: SmsNumber[]; namespaces: NamespaceUids },
  signal: AbortSignal,
) {
  const wanted = new Set(
    unrecorded.map(({ metadata, spec }) => `${metadata.namespace}/${spec.workStreamRef.name}`),
  );
  const reader = createSecretReader({
    client,
    metadata: { get: () => undefined },
    knows: () => false,
    used: () => false,
  });
  for (const object of objects.filter((stream) => wanted.has(keyOf(stream)))) {
    const { namespace = "", name } = object.metadata;
    const { credentialsSecretRef, region, edge } = object.spec.sms.twilio;
    try {
      const { data } = await reader.read({ namespace, name: credentialsSecretRef.name }, signal);
      const place = { ...(region === undefined ? {} : { region }), ...(edge === undefined ? {} : { edge }) };
      const credentials = parseCredentials(data, place);
      const namespaceUid = await namespaces.uidOf(namespace, signal);
      streams.set(keyOf(object), {
        routeKey: routeKey({ namespaceUid, stream: name, accountSid: credentials.accountSid }),
        account: accounts.once(credentials),
        credentials: { ok: true },
      });
    } catch (err) {
      // Its numbers are let go all the same, with a warning: nobody can reach Twilio for them.
      log.warn({ err, namespace, name }, "credentials of a stream cannot be read");
      streams.set(keyOf(object), {
        routeKey: undefined,
        account: undefined,
        credentials: { ok: false, reason: "SecretNotFound", message: "its credentials cannot be read" },
      });
    }
  }
}

/** Names of all Secrets with webhooks from before us. */
async function previousNames(
  { client, operatorNamespace, instance, log }: TwilioSideOptions,
  signal: AbortSignal,
) {
  try {
    const { items } = await client.list(
      secrets,
      { namespace: operatorNamespace, metadataOnly: true },
      signal,
    );
    const prefix = previousPrefix(instance);
    return items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith(prefix));
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 403)) throw error;
    log.warn(
      { err: error },
      "secrets cannot be listed, so those with webhooks saved for deleted numbers may stay",
    );
    return [];
  }
}

/** The PUBLIC_URL that the streams' status was made with: `release` may be run without the setting. */
function publicUrlIn(streams: readonly WorkStream[]): string {
  for (const { metadata, status } of streams) {
    const publicUrl = publicUrlOf(status?.inboundUrl ?? "", metadata.namespace ?? "", metadata.name);
    if (publicUrl !== undefined) return publicUrl;
  }
  // No stream has a URL yet, so no number can lead here. The reserved top-level domain matches nothing.
  return "https://unknown.invalid";
}
