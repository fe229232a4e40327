import type { SmsNumber } from "../../api/index.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import type { Outcome } from "../../kube/summarise.ts";
import { inboundBeside, isFallbackUrl, isInboundUrl } from "../../routes/urls.ts";
import type { CallOptions } from "../../twilio/twilio.ts";
import { pointsAt, type Webhook } from "../../twilio/webhook.ts";
import type { RouteRecord } from "../records/record.ts";
import { isInService, type Refusal, refusalOf } from "./accepted.ts";
import type { SmsNumberDeps, Wake } from "./deps.ts";
import type { Seen } from "./seen.ts";

/** One SmsNumber under work, with what other objects say of it. */
export interface NumberWork {
  deps: SmsNumberDeps;
  ctx: ReconcileContext<SmsNumber>;
  object: SmsNumber;
  namespace: string;
  namespaceUid: string;
  /** Name of the WorkStream. */
  stream: string;
  refusal: Refusal | undefined;
  /** Set by a look that was not quite fresh enough: when to look again. */
  againInMs: number | undefined;
}

/** How a step ends: with what the next one needs, or with the outcome when there is nothing more to do. */
export type StepEnd<T> = { go: T } | { stop: Outcome };

export async function gather(deps: SmsNumberDeps, ctx: ReconcileContext<SmsNumber>): Promise<NumberWork> {
  const { object } = ctx;
  const namespace = object.metadata.namespace!;
  const stream = object.spec.workStreamRef.name;
  return {
    deps,
    ctx,
    object,
    namespace,
    namespaceUid: await deps.seen.namespaceUid(namespace, ctx.signal),
    stream,
    refusal: refused(deps, object),
    againInMs: undefined,
  };
}

/** Why it is not accepted as it stands, from what is known at this moment. */
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
 * For a call to Twilio on behalf of an SmsNumber. With `deadline` aborted none begins, and what is under way ends.
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

/** Any URL that this operator set, or would set, for any stream. */
export function isOurs({ urls, records }: Pick<SmsNumberDeps, "urls" | "records">, url: string): boolean {
  if (isInboundUrl(urls, url)) return true;
  return records.hasInboundUrl(url);
}

/** The same, and the one that this object's status tells of: it outlives records that were lost. */
export function isOursOrWas({ deps, object }: Ours, url: string): boolean {
  return url === object.status?.configuredUrl || isOurs(deps, url);
}

/** What it takes to know our URLs. */
interface Ours {
  deps: Pick<SmsNumberDeps, "urls" | "records">;
  object: SmsNumber;
}

/** Does the number itself send its texts to us? */
export function leadsHere(ours: Ours, webhook: Webhook): boolean {
  return webhook.smsApplicationSid === "" && pointsAt(webhook, (url) => isOursOrWas(ours, url));
}

/** A fallback URL that this operator set, or would set, for any stream; of former ones those of this route. */
export function isOurFallback(
  { urls, records }: Pick<SmsNumberDeps, "urls" | "records">,
  route: RouteRecord,
  url: string,
): boolean {
  if (isFallbackUrl(urls, url)) return true;
  if (route.urls.some(({ fallback }) => fallback === url)) return true;
  return records.hasInboundUrl(inboundBeside(url));
}

/** By itself, or with its stream: nothing is set at Twilio. */
export function isSuspended(
  { seen }: { seen: Pick<Seen, "workStream"> },
  { metadata, spec }: SmsNumber,
): boolean {
  const stream = seen.workStream(metadata.namespace!, spec.workStreamRef.name);
  return spec.suspend === true || stream?.spec.suspend === true;
}

/** Those who wait for the same number or the same stream. */
export function wakeOthers(
  { seen, wake }: { seen: Pick<Seen, "numbersWithDigits" | "numbersOfStream">; wake: Pick<Wake, "number"> },
  { metadata, spec }: SmsNumber,
) {
  const waiting = [
    ...seen.numbersWithDigits(spec.number),
    ...seen.numbersOfStream(metadata.namespace!, spec.workStreamRef.name),
  ];
  for (const { metadata: other } of waiting)
    if (other.uid !== metadata.uid) wake.number(other.namespace!, other.name);
}
