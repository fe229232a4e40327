/**
 * Collects what `decideClaim` needs to know of an SmsNumber. It is asked for every SmsNumber with the same digits,
 * of which there may be thousands, so it reads what is in memory and never calls Twilio.
 */

import { effectiveNumber } from "../../api/effective.ts";
import type { SmsNumber } from "../../api/index.ts";
import { findIn } from "../accounts/snapshot.ts";
import { isInService, refusalOf } from "./accepted.ts";
import type { Candidate } from "./claim-decision.ts";
import type { SmsNumberDeps } from "./deps.ts";
import type { ClusterSeen } from "./seen.ts";

/** A part of the reconciler's dependencies: the cleanup asks with fewer. */
export interface CandidateDeps extends Pick<SmsNumberDeps, "streams" | "records"> {
  seen: Pick<ClusterSeen, "workStream">;
}

/** An SmsNumber as a candidate for its number, by what is known at this moment. */
export function candidateOf(deps: CandidateDeps, object: SmsNumber): Candidate {
  const namespace = object.metadata.namespace!;
  const stream = object.spec.workStreamRef.name;
  const state = deps.streams.get(`${namespace}/${stream}`);
  const refusal = refusalOf({
    number: object,
    stream: deps.seen.workStream(namespace, stream),
    // Missing hours are reported but do not stop the wiring, so they do not cost the claim either.
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
    // An object without a readable time sorts as the oldest, the same on every replica.
    createdAtMs: Date.parse(object.metadata.creationTimestamp ?? "") || 0,
    eligible:
      effectiveNumber(object).managementPolicy === "Manage" &&
      object.metadata.deletionTimestamp === undefined &&
      refusal?.stopsWiring !== true,
    // True needs a reading of the account. Refused credentials count as "not found" rather than "not known": they
    // prove nothing, and an object with a wrong token must not make others wait.
    found:
      snapshot !== undefined
        ? number?.capabilities.sms === true
        : state === undefined || state.credentials.ok
          ? undefined
          : false,
    // A holder keeps its number even if a reading does not show it, or before there is one: only the step that
    // looks at Twilio ends a claim.
    phoneNumberSid: number?.sid ?? deps.records.claimOf(object.metadata.uid!)?.phoneNumberSid,
  };
}
