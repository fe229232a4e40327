import type { SmsNumber } from "../../api/index.ts";
import { findIn } from "../accounts/snapshot.ts";
import { isInService, refusalOf } from "./accepted.ts";
import type { Candidate } from "./claim-decision.ts";
import type { SmsNumberDeps } from "./deps.ts";
import type { Seen } from "./seen.ts";

export interface CandidateDeps extends Pick<SmsNumberDeps, "streams" | "records"> {
  seen: Pick<Seen, "workStream">;
}

/** What claims are decided by, from what is known at this moment; asks nobody. */
export function candidateOf(deps: CandidateDeps, object: SmsNumber): Candidate {
  const namespace = object.metadata.namespace!;
  const stream = object.spec.workStreamRef.name;
  const state = deps.streams.get(`${namespace}/${stream}`);
  const refusal = refusalOf({
    number: object,
    stream: deps.seen.workStream(namespace, stream),
    // What hours are refused for stops no wiring, and so no claim.
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
    createdAtMs: Date.parse(object.metadata.creationTimestamp ?? "") || 0,
    eligible:
      object.spec.managementPolicy !== "Observe" &&
      object.metadata.deletionTimestamp === undefined &&
      refusal?.stopsWiring !== true,
    // Credentials that are not good prove nothing, and must not make others wait.
    found:
      snapshot !== undefined
        ? number?.capabilities.sms === true
        : state === undefined || state.credentials.ok
          ? undefined
          : false,
    // Who holds a number does so whatever a look at the account shows, or before there is one.
    phoneNumberSid: number?.sid ?? deps.records.claimOf(object.metadata.uid!)?.phoneNumberSid,
  };
}
