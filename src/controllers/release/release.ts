/**
 * `smschannel release` is a part of an uninstallation. The CRDs and their objects outlive the operator, so the
 * command releases each object: it gives the webhook of an SmsNumber back, writes a last status and removes the
 * finalizer. Otherwise every deletion of an SmsNumber would hang on a finalizer that nothing removes, and every
 * number would lead to a receiver that is gone (ADR 17).
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

/**
 * What happens to the webhooks: each is treated as its SmsNumber's deletionPolicy says, or all are given back, or
 * all are left as they are.
 */
export type Webhooks = "asSpecified" | "restore" | "retain";

/** The options of `smschannel release`: which objects to release, and how. */
export interface ReleaseOptions {
  client: KubeClient;
  /**
   * The term in which this command holds the Lease. The Lease was taken from its former holder (ADR 17), so no
   * other process changes anything during the release.
   */
  term: Term;
  operatorNamespace: string;
  instance: string;
  /** The namespaces to release objects in; all namespaces when empty. */
  namespaces: readonly string[];
  routeShards: number;
  /** PUBLIC_URL; when undefined, it is derived from the status of the WorkStreams. */
  publicUrl: string | undefined;
  twilioBaseUrl: string | undefined;
  webhooks: Webhooks;
  /** True to release also objects that another installation manages or once managed. */
  all: boolean;
  /** How long the release waits for Twilio during an outage, for all numbers together. */
  timeoutMs: number;
  clock: Clock;
  log: Log;
  /** Prints one sentence about each object that is released, for the person at the terminal. */
  tell(kind: string, key: string, what: string): void;
}

/** The result of `smschannel release`. */
export interface Released {
  numbers: number;
  /** How many numbers could not be given back: a person must check where they lead. */
  left: number;
  streams: number;
  hours: number;
  secrets: number;
  /** How many Secrets stay, because they hold the former webhooks of numbers that were not given back. */
  kept: number;
  /** Objects that were skipped because other installations manage them: how many, by `status.managedBy`. */
  others: ReadonlyMap<string, number>;
}

/** How many numbers are released at a time. The release of a number mostly waits for Twilio. */
const AT_ONCE = 16;
/**
 * The first pause after a failed attempt to release a number. The pause doubles with each failure, up to
 * LONGEST_RETRY_MS. The attempts end when the finalizer gives up and lets the number go.
 */
const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 10_000;
/**
 * The message of every condition after the release. For an SmsNumber it is followed by what happened to the
 * webhook.
 */
const UNINSTALLED = "the operator was uninstalled; nothing manages this object any more";

/**
 * Releases every object of this installation, so that a later deletion of the object needs no operator. The
 * webhooks come first, then status and finalizer, and the operator's own Secrets last. The release can be
 * interrupted at any point and run again: nothing is done twice.
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
    // The Secrets are deleted last: if the command is interrupted before that, a second run needs them.
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

/** The means to release one object. */
interface LettingGo {
  options: ReleaseOptions;
  twilio: Awaited<ReturnType<typeof withTwilio>>;
  events: EventRecorder;
  signal: AbortSignal;
}

/**
 * Lists the objects of this installation, or with `all` every object. Without `all`, objects of other installations
 * are left out and counted in `others`. A kind whose CRD is not installed has no objects.
 */
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
  // An object without `managedBy` counts as this installation's if it has the finalizer, because its deletion would
  // hang on that finalizer.
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
 * Does for one SmsNumber what its deletion would do, without deleting it. Returns true when its webhook could not
 * be given back.
 */
async function releaseNumber(work: LettingGo, number: SmsNumber): Promise<boolean> {
  const { options, events, signal } = work;
  const notes = await putBack(work, number);
  // With the policy Retain the webhook still leads to this operator, so the status keeps the webhook's URL.
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
    notes.map((note) => note.message).join("; ") || "the operator had set no webhook for it",
  );
  return notes.some(({ type }) => type === "Warning");
}

/**
 * Gives the webhook back as a deletion would: with the same finalizer, the same waits for Twilio and the same rules
 * for letting a number go.
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
      // Only the finalizer ends this loop. When the release has waited long enough for Twilio, the finalizer gives
      // up and lets the number go.
      log.warn({ reason: error.reason, namespace, name }, "twilio does not answer, will retry");
      await clock.sleep(waitMs, signal);
    }
  }
}

/**
 * Returns a copy of the SmsNumber that looks deleted to the finalizer, with the deletionPolicy that the release
 * asks for. The finalizer expects a deletion time, which here is the start of the release.
 */
function asDeleted(number: SmsNumber, webhooks: Webhooks, startedAt: string): SmsNumber {
  const policy = { asSpecified: undefined, restore: "Restore", retain: "Retain" } as const;
  const deletionPolicy = policy[webhooks] ?? number.spec.deletionPolicy;
  return {
    ...number,
    metadata: { ...number.metadata, deletionTimestamp: startedAt },
    spec: { ...number.spec, ...(deletionPolicy === undefined ? {} : { deletionPolicy }) },
  };
}

/**
 * Releases a WorkStream or OperatingHours. For such an object nothing was set at Twilio; only its status must no
 * longer look up to date.
 */
async function releaseOther<T extends WorkStream | OperatingHours>(
  work: LettingGo,
  type: ResourceType<T>,
  object: T,
): Promise<void> {
  await sayUninstalled(work, type, object, { message: UNINSTALLED, wired: false });
  work.options.tell(type.kind, keyOf(object), "no longer managed by the operator");
}

/** Writes the status that the object keeps after the uninstallation. */
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
      // The write uses the field manager that wrote the status before, so server-side apply removes the fields that
      // this last status leaves out.
      { fieldManager: `smschannel-controller/${managedBy}`, force: all },
      signal,
    );
  } catch (error) {
    // The object was deleted during the release, so it needs no last status.
    if (!(error instanceof KubeError && error.status === 404)) throw error;
  }
}

/** Runs at most AT_ONCE tasks at a time. The results are in the order of the items. */
async function inParallel<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await run(items[at]!);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return results;
}
