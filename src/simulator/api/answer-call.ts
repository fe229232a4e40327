import type { SimulatedFault } from "../faults/faults.ts";
import type { ApiServerOptions } from "../server.ts";
import { isSid } from "../state/sids.ts";
import { authenticate, authorize } from "./auth.ts";
import { notFound, TwilioError } from "./errors.ts";
import type { ApiAnswer } from "./operation.ts";
import type { ApiAddress, MatchedOperation } from "./router.ts";

/** An API call whose body was read but whose credentials are not checked yet. */
export interface IncomingCall {
  options: ApiServerOptions;
  address: ApiAddress;
  match: MatchedOperation | "methodNotAllowed" | undefined;
  form: URLSearchParams;
  url: URL;
  /** The Authorization header. */
  header: string | undefined;
  /** How many calls of this account are in progress, counting this call. */
  concurrent: number;
  fault: SimulatedFault | undefined;
  /** The names of the parameters that the operation ignores. The operation adds them. */
  ignored: string[];
}

/**
 * Authenticates and authorizes the caller, then runs the operation. Never throws: an API error is returned as the answer, and an unexpected
 * error becomes a 500, so that a mistake in the simulator fails one call of a test and does not hang it.
 */
export function answerCall(incoming: IncomingCall): ApiAnswer | TwilioError {
  const { options, address, match, form, url } = incoming;
  try {
    const { path } = address;
    // A path that no operation has is answered 404 without checking the credentials.
    if (match === undefined) throw notFound(path);
    if (match === "methodNotAllowed") throw new TwilioError(405, 20004);
    const { operation, params } = match;
    // Twilio checks the path first: a malformed or empty account SID is 404 even with wrong credentials.
    if (params.AccountSid !== undefined && !isSid(params.AccountSid, "AC")) throw notFound(path);
    const region = options.context.state.region(address.region);
    const principal = authenticate(incoming.header, region);
    const account = authorize(principal, operation, params.AccountSid, region);
    if (incoming.concurrent > (account.concurrencyLimit ?? Number.POSITIVE_INFINITY))
      throw new TwilioError(429, 20429);
    const extraLagMs = incoming.fault?.kind === "listLag" ? incoming.fault.ms : 0;
    const { ignored } = incoming;
    const query = url.searchParams;
    const call = { region, account, params, query, form, path, extraLagMs, ignored };
    const answer = operation.handle(call, options.context);
    if (ignored.length > 0)
      options.log.warn({ operation: operation.name, ignored }, "unknown parameters, ignored as Twilio does");
    options.contract?.check({ operation, form, query, answer });
    return answer;
  } catch (error) {
    if (error instanceof TwilioError) return error;
    options.log.error({ err: error }, "the simulator has a bug");
    return {
      status: 500,
      body: { code: 20500, message: "the simulator has a bug, see its log", status: 500 },
    };
  }
}
