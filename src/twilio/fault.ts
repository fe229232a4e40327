/**
 * What an error of Twilio's means for this operator. The hard part is to tell Twilio from whatever may answer in
 * its place (a proxy, a firewall, a sign-in page): a stranger's 401 or 404 must not end a claim or condemn
 * credentials, so it counts as an outage.
 */

import { Failure } from "../errors.ts";
import { isCertificate, noAnswer } from "../no-answer.ts";

/**
 * What went wrong with a call, for those who decide by it. Stands as `cause` of the Failure, and holds nothing
 * secret.
 */
export class TwilioFault extends Error {
  override readonly name = "TwilioFault";
  /** The operator's name of the call, such as `UpdateNumber`. */
  readonly operation: string;
  /** HTTP status; undefined when there was no whole answer. */
  readonly status: number | undefined;
  /** Twilio's error code, where the answer had one. */
  readonly twilioCode: number | undefined;
  /**
   * Without an answer: why, such as `ECONNREFUSED`. With one that cannot be used: `BAD_ANSWER` for a success that
   * is not what was asked for, `NOT_TWILIO` for a refusal that is not in Twilio's form.
   */
  readonly code: string | undefined;
  /** The permission that Twilio names as missing. */
  readonly permission: string | undefined;
  /** What is wrong with an answer that cannot be used, in our words: the field's name, never its value. */
  readonly detail: string | undefined;

  constructor(operation: string, { status, twilioCode, code, permission, detail }: FaultFacts) {
    super(describe({ status, twilioCode, code, detail }));
    this.operation = operation;
    this.status = status;
    this.twilioCode = twilioCode;
    this.code = code;
    this.permission = permission;
    this.detail = detail;
  }
}

/** What a fault is made from. */
export interface FaultFacts {
  status?: number | undefined;
  twilioCode?: number | undefined;
  code?: string | undefined;
  permission?: string | undefined;
  detail?: string | undefined;
}

/** The fault behind a Failure; undefined when something else failed. */
export function faultOf(error: unknown): TwilioFault | undefined {
  const cause = error instanceof Failure ? error.cause : undefined;
  return cause instanceof TwilioFault ? cause : undefined;
}

function describe({ status, twilioCode, code, detail }: FaultFacts): string {
  const parts = [
    status === undefined ? undefined : `HTTP ${status}`,
    twilioCode && `Twilio code ${twilioCode}`,
    code,
    detail,
  ];
  return parts.filter(Boolean).join(", ");
}

/**
 * Reads Twilio's error bodies: {code, message, …} of the 2010 API, RFC 9457 of newer ones. Their text is not kept:
 * it can quote what was sent, and it changes. A refusal in any other form is not Twilio's.
 */
export function faultFrom(operation: string, status: number, body: unknown): TwilioFault {
  const error = errorIn(body);
  const { message, detail } = error;
  const code = Number(error.code);
  const twilioCode = Number.isInteger(code) && code > 0 ? code : undefined;
  // Error 70051 of a restricted key names the permission in its text only.
  const permission = twilioCode === 70051 ? permissionIn(`${message} ${detail}`) : undefined;
  const stranger = isRefusal(status) && !isTwilioError(error, status);
  return new TwilioFault(operation, {
    status,
    twilioCode,
    permission,
    ...(stranger ? { code: "NOT_TWILIO", detail: strangerDetail(status) } : {}),
  });
}

const errorIn = (body: unknown) =>
  (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;

/** Statuses that would make a caller change its mind. All others are retried, whoever answers them. */
const isRefusal = (status: number) => status >= 400 && status < 500 && !isTransient(status);

/** 407 is a proxy's by definition; 408, 425 and 429 ask to come back later. */
const isTransient = (status: number) => [407, 408, 425, 429].includes(status);

/** The smallest code in Twilio's catalogue is 10001. Other APIs put the HTTP status there, or a word. */
const SMALLEST_TWILIO_CODE = 10_000;

/**
 * Has the body the form of Twilio's errors? A text, a code of the catalogue, and the HTTP status or a link to the
 * catalogue.
 */
function isTwilioError(
  { code, message, title, status, more_info, type }: Record<string, unknown>,
  httpStatus: number,
): boolean {
  const hasText = typeof message === "string" || typeof title === "string";
  const hasCode = Number.isInteger(Number(code)) && Number(code) > SMALLEST_TWILIO_CODE;
  const link = [more_info, type].some((url) => typeof url === "string" && TWILIO_LINK.test(url));
  return hasText && hasCode && (Number(status) === httpStatus || link);
}

const TWILIO_LINK = /^https?:\/\/(www\.)?twilio\.com\//;

function strangerDetail(status: number): string {
  return `HTTP ${status} came, but not in the form of Twilio's errors, as from a proxy, a firewall or a sign-in page in its place; check the cluster's way out to Twilio`;
}

/**
 * Permissions are written like `/twilio/messaging/messages/create`. The pattern is bounded, as the text comes from
 * outside and goes into a status.
 */
const permissionIn = (text: string) =>
  /\/twilio(?:\/[a-z0-9-]{1,60}(?:\.[a-z0-9-]{1,60})*|\/\*){1,5}/.exec(text)?.[0];

/** The kinds of trouble that callers tell apart. */
export type FaultKind =
  | "throttled"
  | "unavailable"
  | "unauthorized"
  | "suspended"
  | "forbidden"
  | "notFound"
  | "rejected";

/** Codes say more than the status, and they are stable, which Twilio's texts are not. */
const kindOfCode: Record<number, FaultKind> = {
  10001: "suspended",
  20003: "unauthorized",
  20005: "suspended",
  20006: "forbidden",
  20008: "unauthorized",
  20403: "forbidden",
  20404: "notFound",
  20429: "throttled",
  70051: "forbidden",
};

/**
 * Which kind of trouble it is. Anything that is not an answer of Twilio's API counts as Twilio not being there.
 * Pure.
 */
export function kindOf({
  status,
  twilioCode,
  code,
}: Pick<TwilioFault, "status" | "twilioCode" | "code">): FaultKind {
  if (status === undefined || code !== undefined || status < 400 || status >= 500) return "unavailable";
  if (status === 429) return "throttled";
  if (isTransient(status)) return "unavailable";
  const known = twilioCode === undefined ? undefined : kindOfCode[twilioCode];
  if (known !== undefined) return known;
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  return status === 404 ? "notFound" : "rejected";
}

/** Twilio says that there is no such thing. A 404 of anybody else says nothing about Twilio. */
export function isNotFound(error: unknown): boolean {
  const fault = faultOf(error);
  return fault !== undefined && kindOf(fault) === "notFound";
}

/** Something answered 404: Twilio, or whatever stands in its place. */
export function isAnyNotFound(error: unknown): boolean {
  return faultOf(error)?.status === 404;
}

/** What known codes mean, as far as this operator can cause them; the rest is named by its number alone. */
const meanings: Record<number, string> = {
  20001: "a parameter is unknown or not valid",
  21218: "the application does not exist",
  21402: "the URL is not valid",
  21403: "the method is not GET or POST",
  21406: "a fallback URL needs a URL",
  21407: "this type of number takes no SMS",
  21420: "the application belongs to another account",
};

/** What a message says about the call that failed. */
export interface CallNature {
  /** What the call is for, to be read after "to": `list the account's numbers`. */
  purpose: string;
  /** The permission that a restricted API key needs for it. */
  permission: string;
}

/**
 * The one error that everybody sees. The same trouble always has the same text: it goes into a status, and a text
 * that changes with each attempt would be a write for each attempt.
 */
export function failureFrom(fault: TwilioFault, call: CallNature, retryAfterMs?: number): Failure {
  const options = { cause: fault, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  switch (kindOf(fault)) {
    case "throttled":
      return new Failure(
        "TwilioThrottled",
        "Twilio answers 429, too many requests for this account; tried again later",
        options,
      );
    case "unavailable":
      return new Failure("TwilioUnavailable", unavailable(fault), options);
    case "suspended":
      return new Failure(
        "AccountSuspended",
        "the Twilio account is not active; reactivate it in Twilio's console",
        options,
      );
    case "forbidden":
      return new Failure(
        "TwilioPermissionMissing",
        `the credentials may not ${call.purpose}; grant the API key ${fault.permission ?? call.permission}`,
        options,
      );
    case "unauthorized":
      return new Failure("TwilioUnauthorized", unauthorized(fault), options);
    case "notFound":
      return new Failure(
        "TwilioRejected",
        `Twilio found nothing when asked to ${call.purpose} (error ${fault.twilioCode ?? fault.status})`,
        options,
      );
    case "rejected":
      return new Failure("TwilioRejected", `Twilio refused to ${call.purpose}: ${rejection(fault)}`, options);
  }
}

/** Says whether to wait or to look at the way to Twilio. */
function unavailable({ status, code, detail }: TwilioFault): string {
  if (status === undefined)
    return isCertificate(code)
      ? `what answers at Twilio's address cannot be trusted: ${noAnswer(code)}; where a proxy opens TLS, add its authority to trustedCertificates (NODE_EXTRA_CA_CERTS)`
      : "Twilio did not answer; tried again later";
  if (code === undefined && status >= 500)
    return "Twilio answered with an error of its own; tried again later";
  const why = detail ?? whyUnusable(status);
  return `what answered at Twilio's address cannot be understood: ${why}; tried again later`;
}

function whyUnusable(status: number): string {
  if (status === 407) return "a proxy wants a login (HTTP 407); check HTTPS_PROXY";
  if (status >= 300 && status < 400)
    return `it redirects (HTTP ${status}), as a sign-in page or a wrong TWILIO_BASE_URL does`;
  return `HTTP ${status}`;
}

/** 20008 is the one 401 with a cause of its own. */
function unauthorized({ twilioCode }: TwilioFault): string {
  if (twilioCode === 20008)
    return "these are Twilio's test credentials, which cannot do this; use the account's own";
  return "Twilio refused the credentials (401); compare them with Twilio's console: tokens differ by subaccount and by region";
}

function rejection({ status, twilioCode }: TwilioFault): string {
  if (twilioCode === undefined) return `HTTP ${status}`;
  const meaning = meanings[twilioCode];
  return `error ${twilioCode}${meaning === undefined ? "" : `, ${meaning}`}; see https://www.twilio.com/docs/errors/${twilioCode}`;
}
