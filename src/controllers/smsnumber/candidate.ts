/**
 * Collects what `decideClaim` needs to know about an SmsNumber. This runs for every SmsNumber with the same digits,
 * and there may be thousands, so it only reads memory and never calls Twilio.
 */

import { effectiveNumber } from "../../api/effective.ts";
import type { SmsNumber } from "../../api/index.ts";
import { findIn } from "../accounts/snapshot.ts";
import { isInService, refusalOf } from "./accepted.ts";
import type { Candidate } from "./claim-decision.ts";
import type { SmsNumberDeps, Wake } from "./deps.ts";
import type { ClusterSeen } from "./seen.ts";

/** The dependencies of `candidateOf`: only those that both the reconciler and the cleanup of a deletion have. */
export interface CandidateDeps extends Pick<SmsNumberDeps, "streams" | "records"> {
  seen: Pick<ClusterSeen, "workStream">;
}

/** Describes an SmsNumber as a candidate for its number, from what is known at this moment. */
export function candidateOf(deps: CandidateDeps, object: SmsNumber): Candidate {
  const namespace = object.metadata.namespace!;
  const stream = object.spec.workStreamRef.name;
  const state = deps.streams.get(`${namespace}/${stream}`);
  const refusal = refusalOf({
    number: object,
    stream: deps.seen.workStream(namespace, stream),
    // Missing OperatingHours are reported but do not stop the operator from setting the webhook. So they must not
    // cost the SmsNumber its claim either.
    hoursExist: true,
    inService: isInService(deps, object),
  });
  const snapshot = state?.account?.latest;
  const number = snapshot === undefined ? undefined : findIn(snapshot, object.spec);
  return {
    uid: object.metadata.uid!,
    namespace,
    name: object.metadata.name,
    stream: `${namespace}/${stream}`,
    // An object without a readable creation time counts as the oldest, so that every replica decides alike.
    createdAtMs: Date.parse(object.metadata.creationTimestamp ?? "") || 0,
    eligible:
      effectiveNumber(object).managementPolicy === "Manage" &&
      object.metadata.deletionTimestamp === undefined &&
      refusal?.stopsWiring !== true,
    // "Found" needs a reading of the Twilio account. If Twilio refuses the credentials, the number counts as "not
    // found" and not as "unknown": an SmsNumber with a wrong token must not make other SmsNumbers wait.
    found:
      snapshot !== undefined
        ? number?.capabilities.sms === true
        : state === undefined || state.credentials.ok
          ? undefined
          : false,
    // The holder of a claim keeps its number even while no reading of the account shows the number: the number
    // counts as gone only after Twilio was asked for this one number.
    phoneNumberSid: number?.sid ?? deps.records.claimOf(object.metadata.uid!)?.phoneNumberSid,
  };
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
