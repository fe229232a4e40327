import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Log } from "../log.ts";
import { answerCall, type IncomingCall } from "./api/answer-call.ts";
import { userNameOf } from "./api/auth.ts";
import { TwilioError } from "./api/errors.ts";
import type { Contract } from "./api/openapi.ts";
import type { ApiAnswer, SimulatorContext } from "./api/operation.ts";
import { type ApiAddress, type MatchedOperation, matchOperation, readAddress } from "./api/router.ts";
import type { ControlApi } from "./control/control-api.ts";
import type { RequestRecord } from "./control/request-log.ts";
import type { Faults, SimulatedFault } from "./faults/faults.ts";
import { applyFault, faultAnswer } from "./faults/faulty-answer.ts";
import { readBody } from "./read-body.ts";
import { isSid, randomSid } from "./state/sids.ts";

export interface ApiServerOptions {
  context: SimulatorContext;
  faults: Faults;
  control: ControlApi;
  /** Each call takes at least this many milliseconds. */
  latencyMs: number;
  log: Log;
  /** Compares calls with Twilio's OpenAPI files. Undefined: calls are not compared. */
  contract: Contract | undefined;
}

/** Creates the HTTP server. Each call is read, struck by a fault if one is armed for it, answered, and written to the request log. */
export function createApiServer(options: ApiServerOptions): Server {
  // How many calls are in progress, by region and account. Twilio limits that number.
  const inFlight = new Map<string, number>();
  return createServer((request, response) => {
    // `new URL(path, base)` would be wrong here: it reads a path that begins with two slashes as a host name.
    const target = `http://simulator${request.url ?? "/"}`;
    if (!URL.canParse(target)) {
      response.writeHead(400).end();
      return;
    }
    const url = new URL(target);
    const handled = url.pathname.startsWith("/_simulator/")
      ? options.control.handle(request, response, url)
      : serve(options, inFlight, { request, response, url });
    handled.catch((error: unknown) => {
      // A client may hang up at any time. Only the simulator's own mistakes are worth a log line.
      if (!request.destroyed) options.log.error({ err: error }, "a simulated call failed");
      response.destroy();
    });
  });
}

interface HttpCall {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
}

/** Handles one call of the simulated API, from its body to its entry in the request log. */
async function serve(
  options: ApiServerOptions,
  inFlight: Map<string, number>,
  { request, response, url }: HttpCall,
): Promise<void> {
  const { context, faults, latencyMs } = options;
  const { clock } = context;
  const begun = clock.monotonic();
  const method = request.method ?? "GET";
  const address = readAddress(url.pathname);
  const match = matchOperation(method, address);
  const record = newRecord({ request, url, address, match, at: clock.now() });
  // The fault is chosen before the body is read, because some faults reset the connection without reading the body.
  const fault = faults.take({
    ...address,
    operation: record.operation,
    method,
    accountSid: record.accountSid,
  });
  record.fault = fault === undefined ? null : fault.kind;
  const key = `${address.region} ${record.accountSid}`;
  const concurrent = (inFlight.get(key) ?? 0) + 1;
  inFlight.set(key, concurrent);
  try {
    if (fault?.kind === "reset" && fault.when === "before") return void request.socket.resetAndDestroy();
    // Twilio's API takes parameters as a form. A body of any other content type has no parameters.
    const form = new URLSearchParams(isForm(request) ? await readBody(request) : "");
    record.form = [...form];
    const waitMs = latencyMs + (fault?.kind === "slow" && fault.when !== "after" ? fault.ms : 0);
    if (waitMs > 0) await clock.sleep(waitMs);
    const { ignored } = record;
    const header = request.headers.authorization;
    const answer = answerOf({ options, address, match, form, url, header, concurrent, fault, ignored });
    if (fault?.kind === "slow" && fault.when === "after") await clock.sleep(fault.ms);
    record.errorCode = answer instanceof TwilioError ? answer.code : null;
    record.status = write(response, answer, { address, fault, context, concurrent, begun });
  } finally {
    // This block also runs after an error: a failed call must not count against the limit of concurrent calls forever, and it belongs in
    // the log.
    const left = inFlight.get(key)! - 1;
    if (left === 0) inFlight.delete(key);
    else inFlight.set(key, left);
    record.durationMs = clock.monotonic() - begun;
    context.state.recordRequest(record);
  }
}

/** The answer of the API, or the answer that a fault gives in its place. */
function answerOf(call: IncomingCall): ApiAnswer | TwilioError {
  const { fault, address } = call;
  const instead = fault === undefined ? undefined : faultAnswer(fault);
  if (instead !== undefined) return instead;
  if (fault?.kind !== "unchanged") return answerCall(call);
  // Under the fault `unchanged`, the update is not carried out. The answer is that of a read of the same resource.
  return answerCall({ ...call, match: matchOperation("GET", address), form: new URLSearchParams() });
}

/** A call whose headers have been read, but not its body. */
interface ArrivedCall {
  request: IncomingMessage;
  url: URL;
  address: ApiAddress;
  match: MatchedOperation | "methodNotAllowed" | undefined;
  at: number;
}

function newRecord({ request, url, address, match, at }: ArrivedCall): RequestRecord {
  const { product, region, path } = address;
  const found = typeof match === "object" ? match : undefined;
  const user = userNameOf(request.headers.authorization);
  // The account is logged without checking the password, because failed logins belong in the log, too.
  const caller = user !== undefined && isSid(user, "AC") ? user : null;
  return {
    at,
    method: request.method ?? "GET",
    path,
    query: [...url.searchParams],
    form: [],
    product,
    region,
    operation: found?.operation.name ?? null,
    accountSid: found?.params.AccountSid || caller,
    status: null,
    errorCode: null,
    ignored: [],
    durationMs: 0,
    fault: null,
  };
}

interface ResponseDetails {
  address: ApiAddress;
  fault: SimulatedFault | undefined;
  context: SimulatorContext;
  concurrent: number;
  begun: number;
}

/** Writes the answer, changed by the fault if there is one. Returns the status that was sent. Null: the connection was cut. */
function write(
  response: ServerResponse,
  answer: ApiAnswer | TwilioError,
  written: ResponseDetails,
): number | null {
  const { address, fault, context, concurrent, begun } = written;
  if (fault?.kind === "reset") {
    response.socket?.resetAndDestroy();
    return null;
  }
  const { status, headers, text } = toText(answer, address);
  const sent = applyFault({ status, text, fault, address, context });
  // Twilio sends these headers with every answer.
  response.writeHead(sent.status, {
    "twilio-request-id": randomSid("RQ"),
    "twilio-request-duration": ((context.clock.monotonic() - begun) / 1000).toFixed(3),
    "twilio-concurrent-requests": String(concurrent),
    "x-shenanigans": "none",
    "x-home-region": address.region,
    "x-api-domain": `${address.product}.twilio.com`,
    ...headers,
    ...(sent.contentType === undefined ? {} : { "content-type": sent.contentType }),
    // HTTP forbids a Content-Length header with status 204.
    ...(status === 204 ? {} : { "content-length": Buffer.byteLength(sent.text) }),
  });
  if (fault?.kind !== "cut") response.end(sent.text);
  // The Content-Length header announces the full length, so the client notices that the second half is missing.
  else response.write(sent.text.slice(0, Math.floor(sent.text.length / 2)), () => response.socket?.destroy());
  return sent.status;
}

/** The answer as text. Errors of the 2010 API are XML unless the path asks for JSON. */
function toText(answer: ApiAnswer | TwilioError, { product, path }: ApiAddress) {
  // Only Twilio's newer APIs name the charset in the content type.
  const json = product === "api" ? "application/json" : "application/json; charset=utf-8";
  if (answer instanceof TwilioError) {
    const isXml = product === "api" && !path.endsWith(".json");
    return isXml
      ? { status: answer.status, headers: { "content-type": "application/xml" }, text: answer.xml }
      : { status: answer.status, headers: { "content-type": json }, text: JSON.stringify(answer.body) };
  }
  const text = answer.body === undefined ? "" : JSON.stringify(answer.body);
  return { status: answer.status, headers: { "content-type": json, ...answer.headers }, text };
}

const isForm = (request: IncomingMessage) =>
  request.headers["content-type"]?.toLowerCase().startsWith("application/x-www-form-urlencoded") === true;
