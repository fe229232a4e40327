/** One call of the simulated API, as it came: everything but the credentials. */
export interface RequestRecord {
  /** When it arrived, milliseconds since the epoch. */
  at: number;
  method: string;
  /** As Twilio's own host would see it: without the base URL's path, product and region. */
  path: string;
  query: [string, string][];
  form: [string, string][];
  /** `api`, `messaging`, `conversations`, `accounts`. */
  product: string;
  region: string;
  /** The operation's id in Twilio's OpenAPI files, such as `UpdateIncomingPhoneNumber`; null: no such operation. */
  operation: string | null;
  /** The account in the path, or the one that logged in. */
  accountSid: string | null;
  /** What was answered; null: nothing, the connection was cut. */
  status: number | null;
  /** Twilio's error code, where the answer was an error. */
  errorCode: number | null;
  durationMs: number;
  /** Names of form parameters that the operation does not know. Twilio ignores them with a warning (20001), and so does this. */
  ignored: string[];
  /** The fault that was played, if one was. */
  fault: string | null;
}
