/**
 * The rules that decide whether an SmsNumber is accepted. Each of them depends on more than the SmsNumber's spec, so
 * the CRD's own validation cannot hold them (ADR 2). The message of each rule names what to change and in which
 * object.
 */

import type { SmsNumber, WorkStream } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { findIn } from "../accounts/snapshot.ts";
import type { SmsNumberDeps } from "./deps.ts";

/** Why the spec of an SmsNumber is not accepted. */
export interface Refusal {
  reason: Reason;
  message: string;
  /**
   * False when the problem only affects automatic texts: the number's webhook is set all the same. Losing a
   * customer's text is worse than not sending a greeting.
   */
  stopsWiring: boolean;
}

/** The input of the acceptance rules. */
export interface AcceptanceInput {
  number: SmsNumber;
  stream: WorkStream | undefined;
  /**
   * True when the OperatingHours that the number refers to exist, or may exist: "not found" is only reported when
   * it is certain.
   */
  hoursExist: boolean;
  /**
   * True when the number is in a Messaging Service at Twilio. The service then answers STOP, START and HELP for the
   * number.
   */
  inService: boolean;
}

/**
 * Returns why the spec is not accepted; undefined when it is. Judges by the watched objects and the last reading of
 * the account, and makes no request.
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
 * Returns the refusal by the first rule that is broken; undefined when none is. The rules are in the order in which
 * a person would fix the problems, so reporting one problem at a time is enough.
 */
export function refusalOf(input: AcceptanceInput): Refusal | undefined {
  for (const rule of rules) {
    const refusal = rule(input);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

const rules: ((input: AcceptanceInput) => Refusal | undefined)[] = [
  streamMissing,
  repliesMissing,
  hoursNotAllowed,
  hoursMissing,
];

function streamMissing({ number, stream }: AcceptanceInput): Refusal | undefined {
  if (stream !== undefined) return undefined;
  return {
    reason: "WorkStreamNotFound",
    message: `there is no WorkStream ${number.spec.workStreamRef.name} in this namespace; the webhook at Twilio is left as it is`,
    stopsWiring: true,
  };
}

/** The automatic replies (to STOP, START and HELP) that US carriers require of a short code. */
const REQUIRED_REPLIES = ["OptOutConfirmation", "OptInConfirmation", "Help"] as const;

/**
 * Refuses a short code that lacks a required reply and is in no Messaging Service. Twilio answers STOP, START and
 * HELP for long codes and inside Messaging Services, but not for such a short code.
 */
function repliesMissing({ number, stream, inService }: AcceptanceInput): Refusal | undefined {
  if (number.spec.type !== "ShortCode" || inService) return undefined;
  const given = new Set(
    [...(stream?.spec.automatedMessages ?? []), ...(number.spec.automatedMessages ?? [])].map(
      ({ trigger }) => trigger,
    ),
  );
  const missing = REQUIRED_REPLIES.filter((trigger) => !given.has(trigger));
  if (missing.length === 0) return undefined;
  return {
    reason: "ComplianceRepliesMissing",
    message: `a short code must answer STOP, START and HELP; add automatedMessages for ${missing.join(", ")}`,
    stopsWiring: true,
  };
}

/**
 * Refuses operating hours when the WorkStream does not allow automatic texts (the default), because operating hours
 * send such texts ("we are closed").
 */
function hoursNotAllowed({ number, stream }: AcceptanceInput): Refusal | undefined {
  if (number.spec.operatingHoursRef === undefined || stream?.spec.allowAutomatedMessages === true)
    return undefined;
  return {
    reason: "OperatingHoursNotAllowed",
    message: `WorkStream ${number.spec.workStreamRef.name} does not allow automated messages, so this SmsNumber cannot have operating hours; set allowAutomatedMessages: true in the WorkStream, or remove operatingHoursRef from this SmsNumber`,
    stopsWiring: false,
  };
}

function hoursMissing({ number, hoursExist }: AcceptanceInput): Refusal | undefined {
  const ref = number.spec.operatingHoursRef;
  if (ref === undefined || hoursExist) return undefined;
  return {
    reason: "OperatingHoursNotFound",
    message: `there is no OperatingHours ${ref.name} in this namespace`,
    stopsWiring: false,
  };
}

/**
 * Is the number in a Messaging Service? The last reading of the Twilio account decides. Before the first reading the
 * status decides: otherwise the operator would refuse a short code for a moment after each restart.
 */
export function isInService(
  deps: Pick<SmsNumberDeps, "streams">,
  { metadata, spec, status }: SmsNumber,
): boolean {
  const snapshot = deps.streams.get(`${metadata.namespace}/${spec.workStreamRef.name}`)?.account?.latest;
  const number = snapshot === undefined ? undefined : findIn(snapshot, spec);
  if (snapshot === undefined || number === undefined) return status?.messagingServiceSid !== undefined;
  return snapshot.surroundings.services.has(number.sid);
}
