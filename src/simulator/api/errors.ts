/** Messages of Twilio's error catalogue. An error that is thrown without its own message gets the message of its code. */
const messages = {
  20001: "Invalid parameter",
  20003: "Authenticate",
  20004: "Method not allowed",
  20005: "Account not active",
  20007: "Page size too large",
  20404: "Not found",
  20429: "Too Many Requests",
  21211: "Invalid 'To' Phone Number",
  21212: "Invalid 'From' Phone Number",
  21266: "'To' and 'From' number cannot be the same",
  21402: "Invalid Url",
  21403: "Invalid Method",
  21405: "Cannot set VoiceFallbackUrl without setting VoiceUrl",
  21406: "Cannot set SmsFallbackUrl without setting SmsUrl",
  21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
  21420: "ApplicationSid is not accessible",
  21470: "Invalid AccountSid",
  21602: "Message body is required",
  21603: "A 'From' phone number is required.",
  21604: "The destination 'To' phone number is required to send an SMS",
  21606:
    "The 'From' phone number provided is not a valid message-capable Twilio phone number for this destination.",
  21609: "Invalid 'StatusCallback'",
  21610: "Attempt to send to unsubscribed recipient",
  21611: "This 'From' number has exceeded the maximum number of queued messages",
  21612: "The 'To' phone number is not currently reachable via SMS",
  21614: "To number: is not a mobile number",
  21617: "The concatenated message body exceeds the 1600 character limit",
  21623: "Number of media files exceeds allowed limit",
  21663: "The number is not enabled for messaging in this region",
  21701: "The Messaging Service does not exist",
  21703: "The Messaging Service does not have a phone number available to send a message",
  21710: "Phone Number or Short Code is already in the Messaging Service.",
  21711: "Phone Number or Short Code is not associated with the account.",
  21712: "Phone Number or Short Code is associated with another Messaging Service.",
  21714: "The Messaging Service's sender pool is full.",
  21715: "Phone Number or Short Code cannot receive SMS or MMS messages.",
  70051: "Authorization Failed",
} as const;

export type TwilioErrorCode = keyof typeof messages;

/** An error that Twilio would answer. An operation throws it, and the server writes it in Twilio's format. */
export class TwilioError extends Error {
  readonly status: number;
  readonly code: TwilioErrorCode;

  /** Without a message, the error has the message that the catalogue gives for its code. */
  constructor(status: number, code: TwilioErrorCode, message: string = messages[code]) {
    super(message);
    this.status = status;
    this.code = code;
  }

  get body() {
    const { code, message, status } = this;
    return { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status };
  }

  /** The error as XML. The 2010 API answers in XML when the path does not end in `.json`. */
  get xml(): string {
    const { code, message, more_info, status } = this.body;
    const text = message.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return `<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException><Code>${code}</Code><Message>${text}</Message><MoreInfo>${more_info}</MoreInfo><Status>${status}</Status></RestException></TwilioResponse>`;
  }
}

export const badRequest = (code: TwilioErrorCode, message?: string) => new TwilioError(400, code, message);

/** A 404 error. `path` is the path that Twilio's own host would see, because Twilio names that path in the message. */
export const notFound = (path: string) =>
  new TwilioError(404, 20404, `The requested resource ${path} was not found`);
