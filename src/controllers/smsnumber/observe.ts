import type { SmsNumber } from "../../api/index.ts";
import type { PhoneNumber } from "../../twilio/twilio.ts";
import { hostOf } from "../../twilio/webhook.ts";
import { type Override, overrideOf } from "../accounts/precedence.ts";
import type { Snapshot } from "../accounts/snapshot.ts";
import { digits } from "../accounts/snapshot.ts";
import { refusalOf } from "./accepted.ts";
import type { Candidate } from "./claim-decision.ts";
import type { SmsNumberDeps } from "./deps.ts";

/** A number as Twilio has it, with what decides where its texts go. */
export interface Observed {
  number: PhoneNumber;
  override: Override | undefined;
  messagingServiceSid: string | undefined;
}

/** Finds the number among what the account owns: exactly these digits, and a short code only as a short code. */
export function find(snapshot: Snapshot, spec: SmsNumber["spec"]): PhoneNumber | undefined {
  const number = snapshot.numbers.get(spec.number);
  if (number === undefined) return undefined;
  return (number.kind === "shortCode") === (spec.type === "ShortCode") ? number : undefined;
}

export function observe(
  snapshot: Snapshot,
  number: PhoneNumber,
  isThisRoute: (url: string) => boolean,
): Observed {
  const service = snapshot.surroundings.services.get(number.sid);
  const conversationsAddress = snapshot.surroundings.conversations.has(digits(number.phoneNumber));
  return {
    number,
    override: overrideOf({ service, conversationsAddress, isThisRoute, hostOf }),
    messagingServiceSid: service?.serviceSid,
  };
}

/** By the last look at the account; before there is one, by the status. */
export function isInService(
  deps: Pick<SmsNumberDeps, "streams">,
  { metadata, spec, status }: SmsNumber,
): boolean {
  const snapshot = deps.streams.get(`${metadata.namespace}/${spec.workStreamRef.name}`)?.account?.latest;
  const number = snapshot === undefined ? undefined : find(snapshot, spec);
  if (snapshot === undefined || number === undefined) return status?.messagingServiceSid !== undefined;
  return snapshot.surroundings.services.has(number.sid);
}

/** What claims are decided by, from what is known at this moment; asks nobody. */
export function candidateOf(
  deps: Pick<SmsNumberDeps, "streams" | "workStream" | "records">,
  object: SmsNumber,
): Candidate {
  const namespace = object.metadata.namespace!;
  const stream = object.spec.workStreamRef.name;
  const state = deps.streams.get(`${namespace}/${stream}`);
  const refusal = refusalOf({
    number: object,
    stream: deps.workStream(namespace, stream),
    // What hours are refused for stops no wiring, and so no claim.
    hoursExist: true,
    inService: isInService(deps, object),
  });
  const snapshot = state?.account?.latest;
  const number = snapshot === undefined ? undefined : find(snapshot, object.spec);
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
