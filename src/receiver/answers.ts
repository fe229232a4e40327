import type { ServerResponse } from "node:http";

/** What became of a request. The result decides the answer and is the label of `smschannel_inbound_total`. */
export type RequestResult = keyof typeof ANSWERS;

interface HttpAnswer {
  status: number;
  headers: string[];
  body: string;
}

const empty = (status: number, ...headers: string[]): HttpAnswer => ({
  status,
  headers: ["content-length", "0", ...headers],
  body: "",
});

// Twilio would send a text/plain body to the customer as a reply. An empty TwiML document means "no reply".
const RESPONSE = "<Response/>";
const accepted: HttpAnswer = {
  status: 200,
  headers: ["content-type", "text/xml", "content-length", String(RESPONSE.length)],
  body: RESPONSE,
};

/**
 * Makes an answer that refuses a request and closes the connection: on an open connection, the next request of an unauthenticated client
 * would be cheaper than its first. Twilio hardly ever gets such an answer.
 */
const refusal = (status: number, ...headers: string[]) => empty(status, "connection", "close", ...headers);

/**
 * The answer for each result. Clients without a valid signature always get the same 403, so that they learn neither which routes exist nor
 * what was wrong with the request.
 */
const ANSWERS = {
  stored: accepted,
  unrouted: accepted,
  raw: accepted,
  notMessage: accepted,
  selfCheck: accepted,
  refused: refusal(403),
  badMethod: refusal(405, "allow", "POST"),
  tooLarge: refusal(413),
  badType: refusal(415),
  /**
   * The memory for large bodies is used up. Nearly all large bodies come from unauthenticated clients. Twilio tries again after the 503.
   */
  crowded: refusal(503),
  routesNotLoaded: empty(503),
  storeLate: empty(503),
  overloaded: empty(503),
  notKept: empty(503),
  /** The sender went away before its body was complete. The answer is never sent: the result is only counted. */
  aborted: empty(408),
} as const satisfies Record<string, HttpAnswer>;

/** All results, for metrics whose series must begin at 0. */
export const RESULTS = Object.keys(ANSWERS) as RequestResult[];

/** Sends the answer for `result`. A `body` is given only in answer to a self-check, and replaces the usual body of the result. */
export function answer(response: ServerResponse, result: RequestResult, body?: string): void {
  const { status, headers, body: usual } = ANSWERS[result];
  if (body === undefined) response.writeHead(status, headers).end(usual, "latin1");
  else
    response
      .writeHead(status, [
        "content-type",
        "application/octet-stream",
        "content-length",
        String(Buffer.byteLength(body)),
      ])
      .end(body);
}

/** True for an answer that a client without a valid signature gets. `RefusalPace` limits how fast these answers are sent. */
export const isRefusal = (result: RequestResult): boolean => REFUSALS.has(result);

const REFUSALS: ReadonlySet<RequestResult> = new Set([
  "refused",
  "badMethod",
  "tooLarge",
  "badType",
  "crowded",
]);

/** The HTTP status of a result, for logs and tests. */
export const statusOf = (result: RequestResult): number => ANSWERS[result].status;
