import type { SimulatedFault } from "../faults/faults.ts";
import type { ApiServerOptions } from "../server.ts";
import { isSid } from "../state/sids.ts";
import { authenticate, authorize } from "./auth.ts";
import { notFound, TwilioError } from "./errors.ts";
import type { ApiAnswer } from "./operation.ts";
import type { ApiAddress, MatchedOperation } from "./router.ts";

export interface IncomingCall {
  options: ApiServerOptions;
  address: ApiAddress;
  match: MatchedOperation | "otherMethods" | undefined;
  form: URLSearchParams;
  url: URL;
  header: string | undefined;
  /** Calls of this account in work, this one included. */
  concurrent: number;
  fault: SimulatedFault | undefined;
  /** Takes the names of parameters that are ignored. */
  ignored: string[];
}

/** Who may do it, then the doing; errors of the API are answers too. */
export function answerCall(incoming: IncomingCall): ApiAnswer | TwilioError {
  const { options, address, match, form, url } = incoming;
  try {
    const { path } = address;
    if (match === undefined) throw notFound(path);
    if (match === "otherMethods") throw new TwilioError(405, 20004);
    const { operation, params } = match;
    // Before any credential is looked at: an empty or malformed account SID is a 404, not a 401.
    if (params.AccountSid !== undefined && !isSid(params.AccountSid, "AC")) throw notFound(path);
    const region = options.context.state.region(address.region);
    const principal = authenticate(incoming.header, region);
    const account = authorize(principal, operation, params.AccountSid, region);
    if (incoming.concurrent > (account.concurrencyLimit ?? Number.POSITIVE_INFINITY))
      throw new TwilioError(429, 20429);
    const extraLagMs = incoming.fault?.kind === "listLag" ? incoming.fault.ms : 0;
    const { ignored } = incoming;
    const call = {
      region,
      account,
      params,
      query: url.searchParams,
      form,
      path,
      extraLagMs,
      ignored,
    };
    const answer = operation.handle(call, options.context);
    if (ignored.length > 0)
      options.log.warn({ operation: operation.name, ignored }, "unknown parameters, ignored as Twilio does");
    options.contract?.check({ operation, form, query: url.searchParams, answer });
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
