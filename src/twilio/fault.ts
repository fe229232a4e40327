/**
 * This file decides what an error of Twilio means for this operator. The hard part is to tell Twilio from whatever may answer in its
 * place, such as a proxy, a firewall or a sign-in page. A 401 or 404 that is not Twilio's must not end a claim or condemn credentials, so
 * it counts as an outage.
 */

import { Failure } from "../errors.ts";
import { isCertificate, noAnswer } from "../no-answer.ts";

/** What went wrong with a call, for code that decides by it. It is the `cause` of the Failure and holds nothing secret. */
export class TwilioFault extends Error {
  override readonly name = "TwilioFault";
  /** The name that the operator gives to the call, such as `UpdateNumber`. */
  readonly operation: string;
  /** The HTTP status. Undefined when there was no whole answer. */
  readonly status: number | undefined;
  /** The error code of Twilio, if the answer had one. */
  readonly twilioCode: number | undefined;
  /**
   * Why there is no answer, such as `ECONNREFUSED`, or why the answer cannot be used: `BAD_ANSWER` for a success that is not what was asked
   * for, `NOT_TWILIO` for a refusal that does not have the form of Twilio's errors.
   */
  readonly code: string | undefined;
  /** The permission that Twilio names as missing. */
  readonly permission: string | undefined;
  /** What is wrong with an answer that cannot be used, in our own words: the name of the field, never its value. */
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

/** The facts from which a fault is made. */
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
 * Makes a fault from an error answer. Twilio's error bodies are {code, message, …} in the 2010 API and RFC 9457 in newer APIs. Their text
 * is not kept: it can quote what was sent, and it changes. A refusal in any other form is not Twilio's.
 */
export function faultFrom(operation: string, status: number, body: unknown): TwilioFault {
  const error = errorIn(body);
  const { message, detail } = error;
  const code = Number(error.code);
  const twilioCode = Number.isInteger(code) && code > 0 ? code : undefined;
  // Error 70051 of a restricted key names the missing permission only in its text.
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

/**
 * True for a status that refuses the request, after which the caller does not try again. Errors with any other status are retried, whether
 * Twilio or another server sent them.
 */
const isRefusal = (status: number) => status >= 400 && status < 500 && !isTransient(status);

/**
 * True for a status that says nothing about the request itself. By definition 407 comes from a proxy; 408, 425 and 429 ask to try again
 * later.
 */
const isTransient = (status: number) => [407, 408, 425, 429].includes(status);

/** All codes in Twilio's catalogue of errors are greater than this number. Other APIs use the HTTP status or a word as the code. */
const SMALLEST_TWILIO_CODE = 10_000;

/**
 * True when the body has the form of Twilio's errors: a text, a code of the catalogue, and the HTTP status or a link to the catalogue.
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
  return `HTTP ${status} came, but not in the form of Twilio's errors, so it is probably from a proxy, a firewall or a sign-in page; check the cluster's network path to Twilio`;
}

/**
 * The permission that a text names. Permissions are written like `/twilio/messaging/messages/create`. The pattern is bounded, because the
 * text comes from outside and the permission goes into a status.
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

/** The kind of trouble by error code. Codes say more than the HTTP status, and they are stable, unlike the texts of Twilio. */
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
 * Decides which kind of trouble a fault is. Anything that is not an answer of Twilio's API counts as Twilio being unavailable. A pure
 * function.
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

/** True when Twilio itself says that the resource does not exist. A 404 of any other server says nothing about Twilio. */
export function isNotFound(error: unknown): boolean {
  const fault = faultOf(error);
  return fault !== undefined && kindOf(fault) === "notFound";
}

/** True when something answered 404: Twilio, or whatever stands in its place. */
export function isAnyNotFound(error: unknown): boolean {
  return faultOf(error)?.status === 404;
}

/** The meanings of the error codes that this operator can cause. Any other code is shown by its number alone. */
const meanings: Record<number, string> = {
  20001: "a parameter is unknown or not valid",
  21218: "the application does not exist",
  21402: "the URL is not valid",
  21403: "the method is not GET or POST",
  21406: "a fallback URL needs a URL",
  21407: "this type of number takes no SMS",
  21420: "the application belongs to another account",
};

/** What an error message says about the call that failed. */
export interface CallNature {
  /** What the call is for, written so that it can follow "to": `list the account's numbers`. */
  purpose: string;
  /** The permission that a restricted API key needs for the call. */
  permission: string;
}

/**
 * Makes the one kind of error that all callers of Twilio get. The same trouble always has the same text: the text goes into a status, and
 * if it changed with each attempt, each attempt would write the status.
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

/** The message for an unavailable Twilio, which says whether to wait or to check the network path to Twilio. */
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

/** The message for refused credentials. Error 20008, for test credentials, has a message of its own. */
function unauthorized({ twilioCode }: TwilioFault): string {
  if (twilioCode === 20008)
    return "these are Twilio's test credentials, which cannot make this call; use the account's own credentials";
  return "Twilio refused the credentials (401); compare them with Twilio's console: tokens differ by subaccount and by region";
}

function rejection({ status, twilioCode }: TwilioFault): string {
  if (twilioCode === undefined) return `HTTP ${status}`;
  const meaning = meanings[twilioCode];
  return `error ${twilioCode}${meaning === undefined ? "" : `, ${meaning}`}; see https://www.twilio.com/docs/errors/${twilioCode}`;
}
