import { accountOperations } from "./endpoints/accounts.ts";
import { authTokenOperations } from "./endpoints/auth-tokens.ts";
import { conversationOperations } from "./endpoints/conversations.ts";
import { mediaOperations } from "./endpoints/media.ts";
import { messageOperations } from "./endpoints/messages.ts";
import { numberOperations } from "./endpoints/numbers.ts";
import { poolOperations } from "./endpoints/service-pool.ts";
import { serviceOperations } from "./endpoints/services.ts";
import { shortCodeOperations } from "./endpoints/short-codes.ts";
import type { ApiOperation, TwilioProduct } from "./operation.ts";

/** The product, region and path that a call addresses. Twilio puts product and region into the host name, the simulator into the path. */
export interface ApiAddress {
  product: TwilioProduct;
  region: string;
  /** The path that Twilio's own host would see. */
  path: string;
}

/** Reads a path below the base URL: `[/regions/{region}][/{product}]/…`. The default product is `api`, the default region us1. */
export function readAddress(pathname: string): ApiAddress {
  const regional = /^\/regions\/([a-z][a-z0-9-]{0,30})(\/.*)$/.exec(pathname);
  const [region, rest] = regional === null ? ["us1", pathname] : [regional[1]!, regional[2]!];
  const named = /^\/(messaging|conversations|accounts)(\/.*)$/.exec(rest);
  return named === null
    ? { product: "api", region, path: rest }
    : { product: named[1] as TwilioProduct, region, path: named[2]! };
}

/** An operation that fits a call, and the SIDs in its path. */
export interface MatchedOperation {
  operation: ApiOperation;
  params: Record<string, string>;
}

const all = [
  ...accountOperations,
  ...authTokenOperations,
  ...conversationOperations,
  ...mediaOperations,
  ...messageOperations,
  ...numberOperations,
  ...poolOperations,
  ...serviceOperations,
  ...shortCodeOperations,
].map((operation) => ({ operation, pattern: patternOf(operation.path) }));

/** Finds the operation for a call. `methodNotAllowed`: the path exists, but not with this method. Undefined: there is no such path. */
export function matchOperation(
  method: string,
  { product, path }: ApiAddress,
): MatchedOperation | "methodNotAllowed" | undefined {
  const atPath = all.flatMap(({ operation, pattern }) => {
    const found = operation.product === product ? pattern.exec(path) : null;
    return found === null ? [] : [{ operation, params: { ...found.groups } }];
  });
  return (
    atPath.find(({ operation }) => operation.method === method) ??
    (atPath.length > 0 ? "methodNotAllowed" : undefined)
  );
}

/** Makes the pattern of an operation's path. An empty segment matches as well, so that an empty SID gets a 404, as at Twilio. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", "\\.").replace(/\{(\w+)\}/g, "(?<$1>[^/.]*)")}$`);
}
