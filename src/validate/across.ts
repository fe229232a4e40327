import { effectiveNumber, effectiveStream, messageFor } from "../api/effective.ts";
import type { OperatingHours, SmsNumber, WorkStream } from "../api/index.ts";
import type { Reason } from "../api/reasons.ts";
import type { RuleProblem } from "../rules/problems.ts";
import type { FieldPath } from "./finding.ts";
import { isObject } from "./structure.ts";

/** A Secret's name and the names of its keys. The values are not needed, so they are not kept. */
export interface SecretKeys {
  metadata: { name: string; namespace?: string };
  keys: string[];
}

/** All objects in the files that are valid by themselves. */
export interface GivenObjects {
  streams: WorkStream[];
  numbers: SmsNumber[];
  hours: OperatingHours[];
  secrets: SecretKeys[];
  /**
   * Whether the files contain an object of this kind and name in the namespace. An invalid object counts, because it has its own findings.
   */
  isThere(kind: "WorkStream" | "OperatingHours", name: string, namespace: string | undefined): boolean;
  /** The problems in the routing rules of each WorkStream. */
  ruleProblems: ReadonlyMap<WorkStream, readonly RuleProblem[]>;
}

type Subject = WorkStream | SmsNumber | OperatingHours;

/** A problem of one object that depends on other objects, this machine's time zones or the operator's own rules. */
export interface AcrossProblem {
  object: Subject;
  severity: "error" | "warning";
  path: FieldPath;
  message: string;
  reason?: Reason;
}

/**
 * Problems that the API server cannot find, because finding them needs several objects, this machine's time zones, or the operator's own
 * rules. In the cluster, a condition reports each of these problems.
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

/** Makes an error: the operator would refuse the object, or one of its settings would have no effect. */
const error = problemOf("error");
/** Makes a warning: the problem may be intended, because a missing object can be applied later or be in other files. */
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

/** Whether two objects are in the same namespace. Objects that name no namespace are applied to one and the same namespace. */
const near = (a: Subject, b: { metadata: { namespace?: string } }) =>
  (a.metadata.namespace ?? "") === (b.metadata.namespace ?? "");
const manages = (number: SmsNumber) => effectiveNumber(number).managementPolicy === "Manage";
const streamOf = (number: SmsNumber, { streams }: GivenObjects) =>
  streams.find((stream) => near(number, stream) && stream.metadata.name === number.spec.workStreamRef.name);

/** Warns about a missing WorkStream. It is only a warning, because the WorkStream may be in the cluster already. */
function streamMissing(number: SmsNumber, given: GivenObjects): AcrossProblem[] {
  const { name } = number.spec.workStreamRef;
  if (given.isThere("WorkStream", name, number.metadata.namespace)) return [];
  const message = `WorkStream ${name} is not among these files; the number waits until it is in the cluster`;
  return [warning(number, ["spec", "workStreamRef", "name"], message, "WorkStreamNotFound")];
}

/** Warns about missing OperatingHours. It is only a warning, because they may be in the cluster already. */
function hoursMissing(number: SmsNumber, { isThere }: GivenObjects): AcrossProblem[] {
  const name = number.spec.operatingHoursRef?.name;
  if (name === undefined || isThere("OperatingHours", name, number.metadata.namespace)) return [];
  const message = `OperatingHours ${name} is not among these files; the number waits until it is in the cluster`;
  return [warning(number, ["spec", "operatingHoursRef", "name"], message, "OperatingHoursNotFound")];
}

/** Reports operating hours that could never have an effect, because the WorkStream allows no automated messages. */
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

/** Warns about operating hours without a text to send outside of them: customers would get no answer. */
function hoursSilent(number: SmsNumber, given: GivenObjects): AcrossProblem[] {
  const stream = streamOf(number, given);
  if (number.spec.operatingHoursRef === undefined || stream?.spec.allowAutomatedMessages !== true) return [];
  if (messageFor("OutOfOperatingHours", stream, number) !== undefined) return [];
  const message = `nothing is sent outside the operating hours: add an automatedMessages entry for OutOfOperatingHours in the number's language (${effectiveNumber(number).language}), here or on the WorkStream`;
  return [warning(number, ["spec", "operatingHoursRef"], message)];
}

/** The replies that carriers demand of every sender, whether or not the WorkStream allows automated messages. */
const REPLIES = ["OptOutConfirmation", "OptInConfirmation", "Help"] as const;

/**
 * Warns about a short code without the required replies. It is only a warning, because a Messaging Service may answer for the short code,
 * and only Twilio knows that.
 */
function repliesMissing(number: SmsNumber, given: GivenObjects): AcrossProblem[] {
  const stream = streamOf(number, given);
  if (number.spec.type !== "ShortCode" || stream === undefined) return [];
  const texts = [...(number.spec.automatedMessages ?? []), ...(stream.spec.automatedMessages ?? [])];
  const missing = REPLIES.filter((trigger) => !texts.some((text) => text.trigger === trigger));
  if (missing.length === 0) return [];
  const message = `a short code outside a Messaging Service must answer STOP, START and HELP itself: add automatedMessages for ${missing.join(", ")}`;
  return [warning(number, ["spec", "automatedMessages"], message, "ComplianceRepliesMissing")];
}

/** Reports a second SmsNumber for the same WorkStream. The API server cannot find it, because it sees only one object at a time. */
function streamTaken(number: SmsNumber, { numbers }: GivenObjects): AcrossProblem[] {
  const { name } = number.spec.workStreamRef;
  const other = before(number, numbers, (one) => near(number, one) && one.spec.workStreamRef.name === name);
  if (other === undefined) return [];
  const message = `SmsNumber ${other.metadata.name} feeds WorkStream ${name} already, and a stream has one number: give this SmsNumber its own WorkStream`;
  return [error(number, ["spec", "workStreamRef", "name"], message, "WorkStreamAlreadyHasNumber")];
}

/** Finds a number that two SmsNumbers manage. A number can be claimed only once in a cluster, so all namespaces count. */
function numberTaken(number: SmsNumber, { numbers }: GivenObjects): AcrossProblem[] {
  const other = before(number, numbers, (one) => one.spec.number === number.spec.number);
  if (other === undefined) return [];
  const where = [other.metadata.namespace, other.metadata.name].filter(Boolean).join("/");
  const message = `SmsNumber ${where} has this number already: remove one of the two, or write managementPolicy: Observe`;
  return [error(number, ["spec", "number"], message, "NumberAlreadyClaimed")];
}

/** The first SmsNumber before `number` for which `same` is true. SmsNumbers that only observe do not count, because they claim nothing. */
function before(
  number: SmsNumber,
  numbers: SmsNumber[],
  same: (one: SmsNumber) => boolean,
): SmsNumber | undefined {
  if (!manages(number)) return undefined;
  return numbers.slice(0, numbers.indexOf(number)).find((one) => manages(one) && same(one));
}

/** Warns about texts that are never sent. A short code's required replies are sent even where automated messages are not allowed. */
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

/** Checks a Secret only if it is in the files. A missing Secret is no problem: many users keep credentials out of their manifests. */
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

/** The names of a Secret's keys, never its values. Undefined when the object is not a Secret. */
export function secretKeysOf(object: Record<string, unknown>): SecretKeys | undefined {
  const { apiVersion, kind, metadata, data, stringData } = object;
  if (apiVersion !== "v1" || kind !== "Secret" || !isObject(metadata) || typeof metadata.name !== "string")
    return undefined;
  const keys = [data, stringData].flatMap((map) => (isObject(map) ? Object.keys(map) : []));
  const namespace = typeof metadata.namespace === "string" ? { namespace: metadata.namespace } : {};
  return { metadata: { name: metadata.name, ...namespace }, keys };
}
