/** One call of the simulated API as it arrived, without its credentials. */
export interface RequestRecord {
  /** When it arrived, milliseconds since the epoch. */
  at: number;
  method: string;
  /** As Twilio's own host would see it, without the base URL's region and product. */
  path: string;
  query: [string, string][];
  form: [string, string][];
  /** `api`, `messaging`, `conversations`, `accounts`. */
  product: string;
  region: string;
  /** The operation's id in Twilio's OpenAPI files, such as `UpdateIncomingPhoneNumber`; null: there is no such operation. */
  operation: string | null;
  /** The account in the path, or the one that logged in. */
  accountSid: string | null;
  /** The status of the answer; null: the connection was cut without one. */
  status: number | null;
  /** Twilio's error code when the API refused the call; else null, also when a fault answered with an error. */
  errorCode: number | null;
  durationMs: number;
  /** Names of form parameters that the operation does not know. Twilio ignores them with the warning 20001. */
  ignored: string[];
  /** The kind of the fault that struck the call; null: none did. */
  fault: string | null;
}
