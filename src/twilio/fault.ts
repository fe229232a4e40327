import { Failure } from "../errors.ts";

/** What went wrong with a call, for those who decide by it. Stands as `cause` of the Failure, and holds nothing secret. */
export class TwilioFault extends Error {
  override readonly name = "TwilioFault";
  /** The operator's name of the call, such as `UpdateNumber`. */
  readonly operation: string;
  /** HTTP status; undefined when there was no whole answer. */
  readonly status: number | undefined;
  /** Twilio's error code, where the answer had one. */
  readonly twilioCode: number | undefined;
  /** Without an answer: why, such as `ECONNREFUSED`; with one that cannot be used: `BAD_ANSWER`. */
  readonly code: string | undefined;
  /** The permission that Twilio names as missing. */
  readonly permission: string | undefined;

  constructor(operation: string, { status, twilioCode, code, permission }: FaultFacts) {
    super(describe({ status, twilioCode, code }));
    this.operation = operation;
    this.status = status;
    this.twilioCode = twilioCode;
    this.code = code;
    this.permission = permission;
  }
}

export interface FaultFacts {
  status?: number | undefined;
  twilioCode?: number | undefined;
  code?: string | undefined;
  permission?: string | undefined;
}

/** The fault behind a Failure; undefined when something else failed. */
export function faultOf(error: unknown): TwilioFault | undefined {
  const cause = error instanceof Failure ? error.cause : undefined;
  return cause instanceof TwilioFault ? cause : undefined;
}

function describe({ status, twilioCode, code }: FaultFacts): string {
  const parts = [
    status === undefined ? undefined : `HTTP ${status}`,
    twilioCode && `Twilio code ${twilioCode}`,
    code,
  ];
  return parts.filter(Boolean).join(", ");
}

/** Reads Twilio's error bodies: {code, message, …} of the 2010 API, RFC 9457 of newer ones. Their text is not kept. */
export function faultFrom(operation: string, status: number, body: unknown): TwilioFault {
  const { code, message, detail } = (typeof body === "object" && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const twilioCode = Number.isInteger(Number(code)) && Number(code) > 0 ? Number(code) : undefined;
  const permission = twilioCode === 70051 ? permissionIn(`${message} ${detail}`) : undefined;
  return new TwilioFault(operation, { status, twilioCode, permission });
}

/** Permissions are written like `/twilio/messaging/messages/create`. */
const permissionIn = (text: string) =>
  /\/twilio(?:\/[a-z0-9-]{1,60}(?:\.[a-z0-9-]{1,60})*|\/\*){1,5}/.exec(text)?.[0];

export type FaultKind =
  | "throttled"
  | "unavailable"
  | "unauthorized"
  | "suspended"
  | "forbidden"
  | "notFound"
  | "rejected";

/** Codes say more than the status; they are stable, Twilio's texts are not. */
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

/** Pure: which kind of trouble it is. Whatever is no answer of Twilio's API counts as Twilio not being there. */
export function kindOf({
  status,
  twilioCode,
  code,
}: Pick<TwilioFault, "status" | "twilioCode" | "code">): FaultKind {
  if (status === undefined || code !== undefined || status < 400 || status >= 500 || status === 408)
    return "unavailable";
  if (status === 429) return "throttled";
  const known = twilioCode === undefined ? undefined : kindOfCode[twilioCode];
  if (known !== undefined) return known;
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  return status === 404 ? "notFound" : "rejected";
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

export interface CallNature {
  /** What the call is for, to be read after "to": `list the account's numbers`. */
  purpose: string;
  /** The permission that a restricted API key needs for it. */
  permission: string;
}

/** The one error that everybody sees. Its text is the same for the same trouble: it goes into status. */
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
        `Twilio finds nothing there when asked to ${call.purpose} (error ${fault.twilioCode ?? fault.status})`,
        options,
      );
    case "rejected":
      return new Failure("TwilioRejected", `Twilio refused to ${call.purpose}: ${rejection(fault)}`, options);
  }
}

function unavailable({ status, code }: TwilioFault): string {
  if (status === undefined) return "Twilio did not answer; tried again later";
  return code === undefined && status >= 500
    ? "Twilio answered with an error of its own; tried again later"
    : "what answered at Twilio's address cannot be understood; tried again later";
}

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
