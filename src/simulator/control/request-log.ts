/** One call of the simulated API as it arrived, without its credentials. */
export interface RequestRecord {
  /** When the call arrived, in milliseconds since the epoch. */
  at: number;
  method: string;
  /** The path that Twilio's own host would see, without the base URL's region and product. */
  path: string;
  query: [string, string][];
  form: [string, string][];
  /** `api`, `messaging`, `conversations` or `accounts`. */
  product: string;
  region: string;
  /** The operation's id in Twilio's OpenAPI files, such as `UpdateIncomingPhoneNumber`. Null: the call fits no operation. */
  operation: string | null;
  /** The account that the path names, or else the account that logged in. */
  accountSid: string | null;
  /** The status of the answer. Null: the connection was cut before an answer. */
  status: number | null;
  /** Twilio's error code when the API refused the call. Null for every other call, also when a fault answered with an error. */
  errorCode: number | null;
  durationMs: number;
  /** Names of form parameters that the operation does not know. Twilio ignores such parameters with the warning 20001. */
  ignored: string[];
  /** The kind of the fault that struck the call. Null: no fault struck the call. */
  fault: string | null;
}
