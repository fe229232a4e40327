import { effectiveNumber, effectiveStream, messageFor } from "../api/effective.ts";
import type { OperatingHours, SmsNumber, WorkStream } from "../api/index.ts";
import type { Reason } from "../api/reasons.ts";
import type { RuleProblem } from "../rules/problems.ts";
import type { FieldPath } from "./finding.ts";
import { isObject } from "./structure.ts";

/** A Secret's name and keys. Its values are not needed, so they are not kept. */
export interface SecretKeys {
  metadata: { name: string; namespace?: string };
  keys: string[];
}

/** All objects in the files, as far as each is valid by itself. */
export interface GivenObjects {
  streams: WorkStream[];
  numbers: SmsNumber[];
  hours: OperatingHours[];
  secrets: SecretKeys[];
  /** Is there an object of this kind and name in the namespace? Also one that is invalid: that has findings of its own. */
  isThere(kind: "WorkStream" | "OperatingHours", name: string, namespace: string | undefined): boolean;
  /** What is wrong with the routing rules of each WorkStream. */
  ruleProblems: ReadonlyMap<WorkStream, readonly RuleProblem[]>;
}

type Subject = WorkStream | SmsNumber | OperatingHours;

export interface AcrossProblem {
  object: Subject;
  severity: "error" | "warning";
  path: FieldPath;
  message: string;
  reason?: Reason;
}

/**
 * What the API server cannot check, because it needs several objects, the time zones of this machine or our own rules. In the
 * cluster a
 * condition says it.
 */
export function acrossProblems(given: GivenObjects): AcrossProblem[] {
  return [
    ...given.numbers.flatMap((number) => numberRules.flatMap((rule) => rule(number, given))),
    ...given.streams.flatMap((stream) => streamRules.flatMap((rule) => rule(stream, given))),
    ...given.hours.flatMap(timeZoneUnknown),
  ];
}

const numberRules = [
  streamMissing,
  hoursMissing,
  hoursNotAllowed,
  hoursSilent,
  repliesMissing,
  streamTaken,
  numberTaken,
];
const streamRules = [messagesUnused, secretKeys, routingRules];

/** The operator would refuse to work with it, or it could never do what it says. */
const error = problemOf("error");
/** It may be intended: what is missing can be applied later, or come from other files. */
const warning = problemOf("warning");

function problemOf(severity: AcrossProblem["severity"]) {
  return (object: Subject, path: FieldPath, message: string, reason?: Reason): AcrossProblem => ({
    object,
    severity,
    path,
    message,
    ...(reason === undefined ? {} : { reason }),
  });
}

const near = (a: Subject, b: { metadata: { namespace?: string } }) =>
  (a.metadata.namespace ?? "") === (b.metadata.namespace ?? "");
const manages = (number: SmsNumber) => effectiveNumber(number).managementPolicy === "Manage";
const streamOf = (number: SmsNumber, { streams }: GivenObjects) =>
  streams.find((stream) => near(number, stream) && stream.metadata.name === number.spec.workStreamRef.name);

function streamMissing(number: SmsNumber, given: GivenObjects): AcrossProblem[] {
  const { name } = number.spec.workStreamRef;
  if (given.isThere("WorkStream", name, number.metadata.namespace)) return [];
  const message = `WorkStream ${name} is not among these files; the number waits until it is in the cluster`;
  return [warning(number, ["spec", "workStreamRef", "name"], message, "WorkStreamNotFound")];
}

function hoursMissing(number: SmsNumber, { isThere }: GivenObjects): AcrossProblem[] {
  const name = number.spec.operatingHoursRef?.name;
  if (name === undefined || isThere("OperatingHours", name, number.metadata.namespace)) return [];
  const message = `OperatingHours ${name} is not among these files; the number waits until it is in the cluster`;
  return [warning(number, ["spec", "operatingHoursRef", "name"], message, "OperatingHoursNotFound")];
}

function hoursNotAllowed(number: SmsNumber, given: GivenObjects): AcrossProblem[] {
  const stream = streamOf(number, given);
  if (
    number.spec.operatingHoursRef === undefined ||
    stream === undefined ||
    stream.spec.allowAutomatedMessages === true
  )
    return [];
  const message = `WorkStream ${stream.metadata.name} does not allow automated messages: write allowAutomatedMessages: true there, or remove operatingHoursRef here`;
  return [error(number, ["spec", "operatingHoursRef"], message, "OperatingHoursNotAllowed")];
}

function hoursSilent(number: SmsNumber, given: GivenObjects): AcrossProblem[] {
  const stream = streamOf(number, given);
  if (number.spec.operatingHoursRef === undefined || stream?.spec.allowAutomatedMessages !== true) return [];
  if (messageFor("OutOfOperatingHours", stream, number) !== undefined) return [];
  const message = `nothing is sent out of hours: add an automatedMessages entry for OutOfOperatingHours in the number's language (${effectiveNumber(number).language}), here or on the WorkStream`;
  return [warning(number, ["spec", "operatingHoursRef"], message)];
}

/** The replies that carriers demand of every sender, whether or not automated messages are allowed. */
const REPLIES = ["OptOutConfirmation", "OptInConfirmation", "Help"] as const;

/** Only a warning: a Messaging Service may answer for the short code, which only Twilio knows. */
function repliesMissing(number: SmsNumber, given: GivenObjects): AcrossProblem[] {
  const stream = streamOf(number, given);
  if (number.spec.type !== "ShortCode" || stream === undefined) return [];
  const texts = [...(number.spec.automatedMessages ?? []), ...(stream.spec.automatedMessages ?? [])];
  const missing = REPLIES.filter((trigger) => !texts.some((text) => text.trigger === trigger));
  if (missing.length === 0) return [];
  const message = `a short code outside a Messaging Service must answer STOP, START and HELP itself: add automatedMessages for ${missing.join(", ")}`;
  return [warning(number, ["spec", "automatedMessages"], message, "ComplianceRepliesMissing")];
}

function streamTaken(number: SmsNumber, { numbers }: GivenObjects): AcrossProblem[] {
  const { name } = number.spec.workStreamRef;
  const other = before(number, numbers, (one) => near(number, one) && one.spec.workStreamRef.name === name);
  if (other === undefined) return [];
  const message = `SmsNumber ${other.metadata.name} feeds WorkStream ${name} already, and a stream has one number: give this one a WorkStream of its own`;
  return [error(number, ["spec", "workStreamRef", "name"], message, "WorkStreamAlreadyHasNumber")];
}

function numberTaken(number: SmsNumber, { numbers }: GivenObjects): AcrossProblem[] {
  const other = before(number, numbers, (one) => one.spec.number === number.spec.number);
  if (other === undefined) return [];
  const where = [other.metadata.namespace, other.metadata.name].filter(Boolean).join("/");
  const message = `SmsNumber ${where} has this number already: remove one of the two, or write managementPolicy: Observe`;
  return [error(number, ["spec", "number"], message, "NumberAlreadyClaimed")];
}

/** The first number before this one that matches. Numbers that only observe do not count: they claim nothing. */
function before(
  number: SmsNumber,
  numbers: SmsNumber[],
  same: (one: SmsNumber) => boolean,
): SmsNumber | undefined {
  if (!manages(number)) return undefined;
  return numbers.slice(0, numbers.indexOf(number)).find((one) => manages(one) && same(one));
}

function messagesUnused(stream: WorkStream, { numbers }: GivenObjects): AcrossProblem[] {
  const texts = stream.spec.automatedMessages ?? [];
  const hasShortCode = numbers.some(
    (one) =>
      near(stream, one) &&
      one.spec.workStreamRef.name === stream.metadata.name &&
      one.spec.type === "ShortCode",
  );
  const unused = texts.filter(({ trigger }) => !hasShortCode || !REPLIES.some((reply) => reply === trigger));
  if (effectiveStream(stream).allowAutomatedMessages || unused.length === 0) return [];
  const message = "these texts are never sent: write allowAutomatedMessages: true, or remove them";
  return [warning(stream, ["spec", "automatedMessages"], message)];
}

function secretKeys(stream: WorkStream, { secrets }: GivenObjects): AcrossProblem[] {
  const { name } = stream.spec.sms.twilio.credentialsSecretRef;
  const secret = secrets.find((one) => near(stream, one) && one.metadata.name === name);
  const missing =
    secret === undefined ? [] : ["accountSid", "authToken"].filter((key) => !secret.keys.includes(key));
  const path = ["spec", "sms", "twilio", "credentialsSecretRef", "name"];
  return missing.map((key) =>
    error(stream, path, `Secret ${name} lacks the key ${key}: add it`, "SecretKeyMissing"),
  );
}

function routingRules(stream: WorkStream, { ruleProblems }: GivenObjects): AcrossProblem[] {
  return (ruleProblems.get(stream) ?? []).map(({ index, name, message }) =>
    error(stream, ["spec", "routingRules", index, "when"], `rule ${name}: ${message}`, "RoutingRuleInvalid"),
  );
}

function timeZoneUnknown(hours: OperatingHours): AcrossProblem[] {
  const { timeZone } = hours.spec;
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return [];
  } catch {
    const message = `"${timeZone}" is not in the IANA time zone database: write a name such as America/New_York or Europe/Vienna`;
    return [error(hours, ["spec", "timeZone"], message, "TimeZoneUnknown")];
  }
}

/** Reads the keys of a Secret, never its values; undefined when the object is no Secret. */
export function secretKeysOf(object: Record<string, unknown>): SecretKeys | undefined {
  const { apiVersion, kind, metadata, data, stringData } = object;
  if (apiVersion !== "v1" || kind !== "Secret" || !isObject(metadata) || typeof metadata.name !== "string")
    return undefined;
  const keys = [data, stringData].flatMap((map) => (isObject(map) ? Object.keys(map) : []));
  const namespace = typeof metadata.namespace === "string" ? { namespace: metadata.namespace } : {};
  return { metadata: { name: metadata.name, ...namespace }, keys };
}
