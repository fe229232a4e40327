/**
 * Builds what a finalizer needs for the command `smschannel release`, which runs once and has no watches, no
 * resyncs and no self-checks. With these parts the command gives numbers back by the same finalizer code as the
 * operator.
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

/**
 * The time-out of a call to Twilio, as in the operator. It must be shorter than the time that is left of the Lease.
 */
const TWILIO_TIMEOUT_MS = 8000;

/** The objects that are released, and what their finalizers need. */
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
 * Builds what finalizers need in a process that is not the operator: the operator's records and Secrets, and a
 * client of Twilio, but no watches.
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
    // The release makes no new routes, so the records need not make room by removing unused routes.
    isLive: () => true,
  });
  // Reading the records normally ends with a write of each of their Secrets. The records are about to be deleted,
  // so the write is left out.
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
    // A resync never happens, because the process ends before its first one.
    resyncIntervalMs: Number.MAX_SAFE_INTEGER,
    onResync: () => {},
    waitsForSurroundings: () => false,
  });
  const namespaces = new NamespaceUids(client);
  const streams = new Streams();
  // SmsNumbers whose status says that the operator set the webhook, although the records do not know them.
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
      // All SmsNumbers are released, so there is none that could take a number over.
      numbersWithDigits: () => [],
      numbersOfStream: () => [],
      namespaceUid: (namespace) => namespaces.uidOf(namespace, signal),
      // All numbers share one deadline, which counts from the start of the command.
      deletionLeftMs: () => startedMs + options.timeoutMs - clock.monotonic(),
    },
    // The receivers are being removed, so their routes need not be kept up to date.
    refreshDigits: async () => {},
    wake: { stream: () => {}, number: () => {} },
    metrics: { countLetGo: () => {} },
  };

  return {
    startedAt,
    deps,
    /**
     * Deletes the operator's own Secrets, including those with webhooks that were saved for SmsNumbers which are
     * gone. The Secrets with the webhooks of numbers that were not given back stay: nothing else says where the
     * texts to these numbers went before the operator set its own webhook.
     */
    async deleteSecrets(): Promise<{ deleted: number; kept: number }> {
      // An earlier version of the operator also wrote Secrets `{instance}-work-N` with credentials in them, so
      // these are deleted too.
      const names = Array.from({ length: routeShards }, (_, shard) =>
        (["controller", "receiver", "work"] as const).map((part) => secretName(instance, part, shard)),
      ).flat();
      const saved = await previousNames(options, signal);
      const kept = saved.filter((name) => isKeptForNumber(instance, name));
      const gone = saved.filter((name) => !kept.includes(name));
      let deleted = 0;
      // The Secrets with saved webhooks are deleted before the Secrets with the records, so that a run that was
      // interrupted leaves no webhook without the record that says whose it is.
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
 * Prepares the accounts of numbers that the records do not know, because the records were lost or belong to another
 * installation. Their accounts are reached with the credentials in the WorkStreams' own Secrets.
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
  // There are no watches here, so the reader fetches each Secret and caches none.
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
      // The numbers of this WorkStream are let go all the same, with a warning: without credentials Twilio cannot
      // be called for them.
      log.warn({ err, namespace, name }, "credentials of a WorkStream cannot be read");
      streams.set(keyOf(object), {
        routeKey: undefined,
        account: undefined,
        credentials: {
          ok: false,
          reason: "SecretNotFound",
          message: "the WorkStream's credentials cannot be read",
        },
      });
    }
  }
}

/** Lists the names of all Secrets with webhooks that were saved before the operator set its own. */
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

/** Derives PUBLIC_URL from the status of the WorkStreams, because `release` may run without that setting. */
function publicUrlIn(streams: readonly WorkStream[]): string {
  for (const { metadata, status } of streams) {
    const publicUrl = publicUrlOf(status?.inboundUrl ?? "", metadata.namespace ?? "", metadata.name);
    if (publicUrl !== undefined) return publicUrl;
  }
  // No WorkStream has a URL yet, so no number can lead to this operator. The reserved top-level domain `.invalid`
  // matches nothing.
  return "https://unknown.invalid";
}
