/** The data that the steps of one attempt share, and the questions that several steps ask in the same way. */

import { type EffectiveNumber, effectiveNumber } from "../../api/effective.ts";
import type { SmsNumber } from "../../api/index.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import type { Outcome } from "../../kube/status/summarise.ts";
import { isFallbackUrl, isInboundUrl } from "../../routes/urls.ts";
import type { CallOptions } from "../../twilio/twilio.ts";
import { pointsAt, type Webhook } from "../../twilio/webhook.ts";
import { isInService, type Refusal, refusalOf } from "./accepted.ts";
import type { SmsNumberDeps, Wake } from "./deps.ts";
import type { ClusterSeen } from "./seen.ts";

/** One attempt at one SmsNumber. `gather` makes it, each step passes it on, and it is thrown away at the end. */
export interface NumberWork {
  deps: SmsNumberDeps;
  ctx: ReconcileContext<SmsNumber>;
  object: SmsNumber;
  /** The SmsNumber's spec with all defaults filled in. */
  effective: EffectiveNumber;
  namespace: string;
  /**
   * UID of the namespace. Routes and claims use the UID and not the name: a namespace that is deleted and created
   * again under the same name may belong to another tenant.
   */
  namespaceUid: string;
  /** Name of the WorkStream. */
  stream: string;
  /**
   * Why the spec is not accepted; undefined when it is. `seeService` may withdraw the refusal after reading the
   * account.
   */
  refusal: Refusal | undefined;
  /** Set when the account could not be read freshly enough: read it again after this many milliseconds. */
  againInMs: number | undefined;
}

/** The end of a step: `go` with the input of the next step, or `stop` with the outcome of the attempt. */
export type StepEnd<T> = { go: T } | { stop: Outcome };

/**
 * Collects the data that every step needs. It waits only for the namespace's UID, which is cached after the first
 * time.
 */
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

/**
 * Returns why the spec is not accepted, from the watched objects and the last reading of the account. Makes no
 * request.
 */
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
 * The options of calls to Twilio on behalf of this SmsNumber: its namespace is the tenant, and the calls use the
 * lane of the attempt. Reads give up when the SmsNumber is deleted meanwhile. An update that was sent is waited
 * for, because it could otherwise take effect after the changes of the deletion.
 *
 * After `deadline` aborts, no call begins, and a call in progress ends.
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
 * Did this installation set this URL, or would it set it, for any WorkStream? URLs under the current PUBLIC_URL are
 * recognised by the beginning of their path, and URLs under a former PUBLIC_URL by the records.
 */
export function isOurs({ urls, records }: Pick<SmsNumberDeps, "urls" | "records">, url: string): boolean {
  if (isInboundUrl(urls, url)) return true;
  return records.hasInboundUrl(url);
}

/**
 * Like `isOurs`, and also true for the URL in this SmsNumber's status, which remains when the records were lost.
 */
export function isOursOrWas({ deps, object }: Ours, url: string): boolean {
  return url === object.status?.configuredUrl || isOurs(deps, url);
}

/** The data that is needed to recognise this operator's URLs. */
interface Ours {
  deps: Pick<SmsNumberDeps, "urls" | "records">;
  object: SmsNumber;
}

/**
 * Does the number's own webhook send its texts to this operator? At Twilio an application on the number takes
 * precedence over the URLs, so the URL does not count when there is an application.
 */
export function leadsHere(ours: Ours, webhook: Webhook): boolean {
  return webhook.smsApplicationSid === "" && pointsAt(webhook, (url) => isOursOrWas(ours, url));
}

/** Like `isOurs`, for a fallback URL. */
export function isOurFallback(
  { urls, records }: Pick<SmsNumberDeps, "urls" | "records">,
  url: string,
): boolean {
  return isFallbackUrl(urls, url) || records.hasFallbackUrl(url);
}

/**
 * Is the SmsNumber suspended, by its own spec or by its WorkStream's? Then the operator sets nothing at Twilio for
 * it.
 */
export function isSuspended(
  { seen }: { seen: Pick<ClusterSeen, "workStream"> },
  { metadata, spec }: SmsNumber,
): boolean {
  const stream = seen.workStream(metadata.namespace!, spec.workStreamRef.name);
  return spec.suspend === true || stream?.spec.suspend === true;
}

/**
 * Wakes the SmsNumbers that wait for the same number or the same WorkStream. Nothing else would wake them: a claim
 * that ends changes no object that they watch.
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
