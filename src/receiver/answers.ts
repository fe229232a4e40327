import type { ServerResponse } from "node:http";

/** What happened to a request: the label of `smschannel_inbound_total`, and what decides the answer. */
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

// Twilio takes a text/plain body for a reply and sends it to the customer; an empty TwiML document says "no reply".
const RESPONSE = "<Response/>";
const accepted: HttpAnswer = {
  status: 200,
  headers: ["content-type", "text/xml", "content-length", String(RESPONSE.length)],
  body: RESPONSE,
};

/** Twilio hardly ever gets one of these. Whoever does must come anew: on a connection that is kept the next request would cost less. */
const refusal = (status: number, ...headers: string[]) => empty(status, "connection", "close", ...headers);

/** The whole table of answers. One 403 for all strangers: they learn neither a route's name nor what was wrong. */
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
  /** It found no room among the large bodies, which nearly all are strangers': the store was not asked. Twilio tries again. */
  crowded: refusal(503),
  routesNotLoaded: empty(503),
  storeLate: empty(503),
  overloaded: empty(503),
  notKept: empty(503),
  /** The sender went away before its body was complete: nobody sees this. */
  aborted: empty(408),
} as const satisfies Record<string, HttpAnswer>;

/** Every result, so that each is counted from 0 on. */
export const RESULTS = Object.keys(ANSWERS) as RequestResult[];

/** Sends the answer of `result`; `body` replaces it for a self-check, which only the controller ever gets. */
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

/** Is it what strangers get? It leaves at a fixed rate. */
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
