/**
 * The rules about an SmsNumber that need a second object, and so cannot stand in the CRD (ADR 2). Each names what
 * to change and where.
 */

import type { SmsNumber, WorkStream } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { findIn } from "../accounts/snapshot.ts";
import type { SmsNumberDeps } from "./deps.ts";

/** Why an SmsNumber is not accepted as it stands. */
export interface Refusal {
  reason: Reason;
  message: string;
  /**
   * False: only automatic texts suffer, and the number is wired all the same. Losing a customer's text is worse
   * than sending no greeting.
   */
  stopsWiring: boolean;
}

/** Everything the rules look at. */
export interface AcceptanceInput {
  number: SmsNumber;
  stream: WorkStream | undefined;
  /** The OperatingHours it refers to exist, or may exist: "not found" needs certainty. */
  hoursExist: boolean;
  /** The number is in a Messaging Service, whose opt-out handling answers for it. */
  inService: boolean;
}

/** The first rule that refuses, in the order in which a person would fix them: one thing at a time to mend. */
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

/** What US carriers require a short code to answer: STOP, START and HELP. */
const REQUIRED_REPLIES = ["OptOutConfirmation", "OptInConfirmation", "Help"] as const;

/** Twilio answers these keywords for long codes and inside Messaging Services, but not for a short code on its own. */
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

/** Hours send automatic texts ("we are closed"), which the WorkStream must allow; its default is not to. */
function hoursNotAllowed({ number, stream }: AcceptanceInput): Refusal | undefined {
  if (number.spec.operatingHoursRef === undefined || stream?.spec.allowAutomatedMessages === true)
    return undefined;
  return {
    reason: "OperatingHoursNotAllowed",
    message: `WorkStream ${number.spec.workStreamRef.name} does not allow automated messages, so the number may have no operating hours; set allowAutomatedMessages: true there, or remove operatingHoursRef here`,
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
 * By the last reading of the account; before there is one, by the status, so that a restart does not refuse a short
 * code for a moment.
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
