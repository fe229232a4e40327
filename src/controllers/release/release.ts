/**
 * `smschannel release`: what an uninstallation does to the objects that stay. The CRDs and their objects outlive
 * the operator; without this every deletion of an SmsNumber would hang on a finalizer that nobody removes, and
 * every number would lead to a receiver that is gone (ADR 17).
 */

import { randomBytes } from "node:crypto";
import {
  type OperatingHours,
  operatingHours,
  type SmsNumber,
  smsNumbers,
  type WorkStream,
  workStreams,
} from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { removeFinalizer } from "../../kube/controller/finalizer.ts";
import { type KubeObject, keyOf, type ResourceType } from "../../kube/resource.ts";
import { EventRecorder } from "../../kube/status/events.ts";
import type { EventNote } from "../../kube/status/summarise.ts";
import type { Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import { smsNumberFinalizer } from "../smsnumber/cleanup/finalize.ts";
import { FINALIZER } from "../smsnumber/controller.ts";
import { withTwilio } from "./twilio-side.ts";
import { uninstalledStatus } from "./uninstalled.ts";

/** What becomes of the webhooks: as each object's deletionPolicy says, given back for all, or left for all. */
export type Webhooks = "asSpecified" | "restore" | "retain";

/** What to release, and how. */
export interface ReleaseOptions {
  client: KubeClient;
  /** The Lease, taken from whoever held it (ADR 17): nobody else changes anything while this lasts. */
  term: Term;
  operatorNamespace: string;
  instance: string;
  /** Empty: all. */
  namespaces: readonly string[];
  routeShards: number;
  /** Absent: taken from the streams' own status. */
  publicUrl: string | undefined;
  twilioBaseUrl: string | undefined;
  webhooks: Webhooks;
  /** Also objects that another installation manages, or managed once. */
  all: boolean;
  /** How long an outage of Twilio is waited for, over all numbers. */
  timeoutMs: number;
  clock: Clock;
  log: Log;
  /** One sentence about each object as it is let go, for the person at the terminal. */
  tell(kind: string, key: string, what: string): void;
}

/** What the release came to. */
export interface Released {
  numbers: number;
  /** Numbers whose webhook could not be given back: somebody must look where they lead. */
  left: number;
  streams: number;
  hours: number;
  secrets: number;
  /** Secrets that stay: webhooks from before us, of numbers that were not given back. */
  kept: number;
  /** Objects that were left because other installations manage them: how many, by `status.managedBy`. */
  others: ReadonlyMap<string, number>;
}

/** Numbers at a time; each mostly waits for Twilio. */
const AT_ONCE = 16;
/**
 * The pause after a failed attempt on one number; it doubles up to the next constant. The finalizer itself gives up
 * in the end.
 */
const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 10_000;
/** The message of every condition from now on. */
const UNINSTALLED = "the operator was uninstalled; nobody looks after this object";

/**
 * Lets every object of this installation go, so that deleting it later needs no operator: webhooks first, then
 * status, finalizer, and at last the operator's own Secrets. Safe to stop and to run again at any point: what is
 * done is not done twice.
 */
export async function release(given: ReleaseOptions, signal: AbortSignal): Promise<Released> {
  const { client, clock, log, term } = given;
  const options = { ...given, client: client.whileLeading(term) };
  const others = new Map<string, number>();
  const [streams, numbers, hours] = await Promise.all([
    listed<WorkStream>(options, workStreams, others, signal),
    listed<SmsNumber>(options, smsNumbers, others, signal),
    listed<OperatingHours>(options, operatingHours, others, signal),
  ]);
  const events = new EventRecorder({
    client,
    clock,
    log,
    reportingController: "smschannel.dev/release",
    reportingInstance: `release-${randomBytes(4).toString("hex")}`,
  });
  const twilio = await withTwilio({ ...options, streams, numbers }, signal);
  const letGoOf = { options, twilio, events, signal };
  try {
    const left = await inParallel(numbers, (number) => releaseNumber(letGoOf, number));
    for (const object of streams) await releaseOther(letGoOf, workStreams, object);
    for (const object of hours) await releaseOther(letGoOf, operatingHours, object);
    // Last: until here a second run needs them.
    const { deleted, kept } = await twilio.deleteSecrets();
    return {
      numbers: numbers.length,
      left: left.filter((each) => each).length,
      streams: streams.length,
      hours: hours.length,
      secrets: deleted,
      kept,
      others,
    };
  } finally {
    await events.stop();
    await twilio.stop();
  }
}

/** What letting one object go needs. */
interface LettingGo {
  options: ReleaseOptions;
  twilio: Awaited<ReturnType<typeof withTwilio>>;
  events: EventRecorder;
  signal: AbortSignal;
}

/** This release's objects; a kind that is not there has none. Those of other releases are counted into `others`. */
async function listed<T extends KubeObject>(
  { client, namespaces, instance, all }: ReleaseOptions,
  type: ResourceType<T>,
  others: Map<string, number>,
  signal: AbortSignal,
): Promise<T[]> {
  const scopes = namespaces.length === 0 ? [undefined] : namespaces;
  const lists = await Promise.all(
    scopes.map(async (namespace) => {
      try {
        return (await client.list<T>(type, { namespace }, signal)).items;
      } catch (error) {
        if (error instanceof KubeError && error.status === 404) return [];
        throw error;
      }
    }),
  );
  const managedBy = ({ status }: T) => (status as { managedBy?: string } | undefined)?.managedBy;
  const ours = (object: T) =>
    managedBy(object) === instance ||
    (managedBy(object) === undefined && (object.metadata.finalizers ?? []).includes(FINALIZER));
  const objects = lists.flat();
  if (all) return objects;
  for (const owner of objects.map(managedBy))
    if (owner !== undefined && owner !== instance) others.set(owner, (others.get(owner) ?? 0) + 1);
  return objects.filter(ours);
}

/**
 * Does for one SmsNumber what its deletion would do, without deleting it. True when its webhook could not be given
 * back.
 */
async function releaseNumber(work: LettingGo, number: SmsNumber): Promise<boolean> {
  const { options, events, signal } = work;
  const notes = await putBack(work, number);
  // With Retain the webhook goes on leading here, so the status keeps saying where.
  const retained = notes.some(({ reason }) => reason === "WebhookRetained");
  const message = [UNINSTALLED, ...notes.map(({ message }) => message)].join(": ");
  await sayUninstalled(work, smsNumbers, number, { message, wired: retained });
  for (const note of notes) events.record(number, note);
  await removeFinalizer(
    { client: options.client, type: smsNumbers, finalizer: FINALIZER, object: number },
    signal,
  );
  options.tell(
    "SmsNumber",
    keyOf(number),
    notes.map((note) => note.message).join("; ") || "it had no webhook of ours",
  );
  return notes.some(({ type }) => type === "Warning");
}

/**
 * Gives the webhook back as a deletion would, by the same finalizer, with the same patience and the same rules for
 * letting go.
 */
async function putBack(
  { options, twilio, signal }: LettingGo,
  number: SmsNumber,
): Promise<readonly EventNote[]> {
  const { clock, log, webhooks } = options;
  const finalize = smsNumberFinalizer(twilio.deps);
  const { namespace, name } = number.metadata;
  const context = {
    object: asDeleted(number, webhooks, twilio.startedAt),
    lane: "change" as const,
    cause: "change" as const,
    signal,
    patience: signal,
    log: log.child({ kind: "SmsNumber", namespace, name }),
    deleting: true,
    ensureFinalizer: async () => {},
  };
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_RETRY_MS)) {
    try {
      return (await finalize(context)).events;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // The finalizer itself gives up when its time is over; nothing else ends this loop.
      log.warn({ reason: error.reason, namespace, name }, "twilio does not answer, will retry");
      await clock.sleep(waitMs, signal);
    }
  }
}

/** The finalizer counts its patience from the deletion; here that is the beginning of the release. */
function asDeleted(number: SmsNumber, webhooks: Webhooks, startedAt: string): SmsNumber {
  const policy = { asSpecified: undefined, restore: "Restore", retain: "Retain" } as const;
  const deletionPolicy = policy[webhooks] ?? number.spec.deletionPolicy;
  return {
    ...number,
    metadata: { ...number.metadata, deletionTimestamp: startedAt },
    spec: { ...number.spec, ...(deletionPolicy === undefined ? {} : { deletionPolicy }) },
  };
}

/** WorkStreams and OperatingHours have nothing at Twilio; only their status must no longer claim to be true. */
async function releaseOther<T extends WorkStream | OperatingHours>(
  work: LettingGo,
  type: ResourceType<T>,
  object: T,
): Promise<void> {
  await sayUninstalled(work, type, object, { message: UNINSTALLED, wired: false });
  work.options.tell(type.kind, keyOf(object), "let go");
}

/** Writes the object's last status. */
async function sayUninstalled<T extends KubeObject>(
  { options, signal }: LettingGo,
  type: ResourceType<T>,
  object: T,
  { message, wired }: { message: string; wired: boolean },
): Promise<void> {
  const { client, clock, instance, all } = options;
  const { name, namespace } = object.metadata;
  const managedBy = (object.status as { managedBy?: string } | undefined)?.managedBy ?? instance;
  const status = uninstalledStatus(object, { message, wired, now: clock.now() });
  try {
    await client.applyStatus(
      type,
      { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, status },
      // As the field manager that wrote the status before: server-side apply then removes the fields that this last
      // status leaves out.
      { fieldManager: `smschannel-controller/${managedBy}`, force: all },
      signal,
    );
  } catch (error) {
    // Deleted meanwhile: nothing is left to be said.
    if (!(error instanceof KubeError && error.status === 404)) throw error;
  }
}

/** Runs at most AT_ONCE at a time; results stand in the order of the items. */
async function inParallel<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await run(items[at]!);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return results;
}
