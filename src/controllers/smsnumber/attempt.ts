/** The data that the steps of one attempt at an SmsNumber share. */

import { type EffectiveNumber, effectiveNumber } from "../../api/effective.ts";
import type { SmsNumber } from "../../api/index.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import type { Outcome } from "../../kube/status/summarise.ts";
import type { CallOptions } from "../../twilio/twilio.ts";
import { type Refusal, refused } from "./accepted.ts";
import type { SmsNumberDeps } from "./deps.ts";

/** One attempt at one SmsNumber. `gather` makes it, each step passes it on, and it is thrown away at the end. */
export interface NumberAttempt {
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
  /** After how many milliseconds to read the account again; set when the last reading is older than it should be. */
  againInMs: number | undefined;
}

/** The end of a step: `go` with the input of the next step, or `stop` with the outcome of the attempt. */
export type StepEnd<T> = { go: T } | { stop: Outcome };

/**
 * Collects the data that every step needs. It waits only for the namespace's UID, which is cached after the first
 * time.
 */
export async function gather(deps: SmsNumberDeps, ctx: ReconcileContext<SmsNumber>): Promise<NumberAttempt> {
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
 * The options of calls to Twilio on behalf of this SmsNumber: its namespace is the tenant, and the calls use the
 * lane of the attempt. A read ends as soon as the SmsNumber is deleted. The answer to an update that was sent is
 * waited for, because the update could take effect after the changes that the deletion makes at Twilio.
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
