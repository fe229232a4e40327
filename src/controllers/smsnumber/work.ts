/**
 * What the steps of one attempt share: the object, what surrounds it, and a few questions that several steps ask in
 * the same words.
 */

import { type EffectiveNumber, effectiveNumber } from "../../api/effective.ts";
import type { SmsNumber } from "../../api/index.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import type { Outcome } from "../../kube/status/summarise.ts";
import { inboundBeside, isFallbackUrl, isInboundUrl } from "../../routes/urls.ts";
import type { CallOptions } from "../../twilio/twilio.ts";
import { pointsAt, type Webhook } from "../../twilio/webhook.ts";
import type { RouteRecord } from "../records/record.ts";
import { isInService, type Refusal, refusalOf } from "./accepted.ts";
import type { SmsNumberDeps, Wake } from "./deps.ts";
import type { ClusterSeen } from "./seen.ts";

/** One attempt at one SmsNumber. Made by `gather`, passed from step to step, thrown away at the end. */
export interface NumberWork {
  deps: SmsNumberDeps;
  ctx: ReconcileContext<SmsNumber>;
  object: SmsNumber;
  /** What its spec comes to with the defaults. */
  effective: EffectiveNumber;
  namespace: string;
  /** Routes and claims go by the UID: a namespace that is deleted and made again under its name has other tenants. */
  namespaceUid: string;
  /** Name of the WorkStream. */
  stream: string;
  /** Why the spec is not accepted as it stands. `seeService` may take it back once it has seen the account. */
  refusal: Refusal | undefined;
  /** Set by a look at the account that was not quite fresh enough: look again after this long. */
  againInMs: number | undefined;
}

/** How a step ends: `go` with what the next step needs, `stop` with the outcome of the attempt. */
export type StepEnd<T> = { go: T } | { stop: Outcome };

/** Collects what every step needs. The only wait is for the namespace's UID, which is cached after the first time. */
export async function gather(deps: SmsNumberDeps, ctx: ReconcileContext<SmsNumber>): Promise<NumberWork> {
  const { object } = ctx;
  const namespace = object.metadata.namespace!;
  const stream = object.spec.workStreamRef.name;
  return {
    deps,
    ctx,
    object,
    effective: effectiveNumber(object),
    namespace,
    namespaceUid: await deps.seen.namespaceUid(namespace, ctx.signal),
    stream,
    refusal: refused(deps, object),
    againInMs: undefined,
  };
}

/** Why the spec is not accepted, by the watched objects and the last reading of the account; asks nobody. */
export function refused(deps: SmsNumberDeps, object: SmsNumber): Refusal | undefined {
  return refusalOf({
    number: object,
    stream: deps.seen.workStream(object.metadata.namespace!, object.spec.workStreamRef.name),
    hoursExist: hoursExist(deps, object),
    inService: isInService(deps, object),
  });
}

function hoursExist(deps: SmsNumberDeps, { metadata, spec }: SmsNumber): boolean {
  return (
    spec.operatingHoursRef === undefined ||
    !deps.seen.lacksHours(metadata.namespace!, spec.operatingHoursRef.name)
  );
}

/**
 * How Twilio is called on behalf of this SmsNumber: as its tenant (the namespace), in the lane of the attempt.
 * Reads give up when the object is deleted meanwhile; an update that was sent is waited for, because it could land
 * after what the deletion does.
 *
 * Once `deadline` is aborted no call begins, and one under way ends.
 */
export function callOptions(
  { object, lane, signal, patience }: ReconcileContext<SmsNumber>,
  deadline?: AbortSignal,
): CallOptions {
  const within = (each: AbortSignal) => (deadline === undefined ? each : AbortSignal.any([each, deadline]));
  return {
    lane,
    tenant: object.metadata.namespace!,
    signal: within(patience),
    updateSignal: within(signal),
  };
}

/**
 * Did this installation set this URL, or would it, for any stream? The path is known by its beginning; former
 * PUBLIC_URLs by the records.
 */
export function isOurs({ urls, records }: Pick<SmsNumberDeps, "urls" | "records">, url: string): boolean {
  if (isInboundUrl(urls, url)) return true;
  return records.hasInboundUrl(url);
}

/**
 * Like `isOurs`, and also true for the URL in this object's status, which is still there when the records were
 * lost.
 */
export function isOursOrWas({ deps, object }: Ours, url: string): boolean {
  return url === object.status?.configuredUrl || isOurs(deps, url);
}

/** What it takes to recognise our URLs. */
interface Ours {
  deps: Pick<SmsNumberDeps, "urls" | "records">;
  object: SmsNumber;
}

/**
 * Does the number's own webhook send its texts to us? An application on the number takes precedence over its URLs
 * at Twilio, so with one the URL does not count.
 */
export function leadsHere(ours: Ours, webhook: Webhook): boolean {
  return webhook.smsApplicationSid === "" && pointsAt(webhook, (url) => isOursOrWas(ours, url));
}

/**
 * Like `isOurs` for a fallback URL. Former fallback URLs are known for this route only: the records index inbound
 * URLs alone.
 */
export function isOurFallback(
  { urls, records }: Pick<SmsNumberDeps, "urls" | "records">,
  route: RouteRecord,
  url: string,
): boolean {
  if (isFallbackUrl(urls, url)) return true;
  if (route.urls.some(({ fallback }) => fallback === url)) return true;
  // FALLBACK_PUBLIC_URL defaults to PUBLIC_URL, so a former fallback URL mostly has an inbound twin in the records.
  return records.hasInboundUrl(inboundBeside(url));
}

/** Suspended by itself or with its stream: nothing is set at Twilio. */
export function isSuspended(
  { seen }: { seen: Pick<ClusterSeen, "workStream"> },
  { metadata, spec }: SmsNumber,
): boolean {
  const stream = seen.workStream(metadata.namespace!, spec.workStreamRef.name);
  return spec.suspend === true || stream?.spec.suspend === true;
}

/**
 * Wakes the SmsNumbers that wait for the same number or the same stream. Nothing else would: a claim that ends
 * changes no object that they watch.
 */
export function wakeOthers(
  {
    seen,
    wake,
  }: { seen: Pick<ClusterSeen, "numbersWithDigits" | "numbersOfStream">; wake: Pick<Wake, "number"> },
  { metadata, spec }: SmsNumber,
) {
  const waiting = [
    ...seen.numbersWithDigits(spec.number),
    ...seen.numbersOfStream(metadata.namespace!, spec.workStreamRef.name),
  ];
  for (const { metadata: other } of waiting)
    if (other.uid !== metadata.uid) wake.number(other.namespace!, other.name);
}
