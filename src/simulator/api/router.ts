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

/** Where a call goes: product, region and the path that Twilio's own host would see. */
export interface ApiAddress {
  product: TwilioProduct;
  region: string;
  path: string;
}

/** Reads a path below the base URL: `[/regions/{region}][/{product}]/…`, `api` without its name. */
export function readAddress(pathname: string): ApiAddress {
  const regional = /^\/regions\/([a-z][a-z0-9-]{0,30})(\/.*)$/.exec(pathname);
  const [region, rest] = regional === null ? ["us1", pathname] : [regional[1]!, regional[2]!];
  const named = /^\/(messaging|conversations|accounts)(\/.*)$/.exec(rest);
  return named === null
    ? { product: "api", region, path: rest }
    : { product: named[1] as TwilioProduct, region, path: named[2]! };
}

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

/** The operation for a call; `otherMethods`: the path exists, but not for this method. */
export function matchOperation(
  method: string,
  { product, path }: ApiAddress,
): MatchedOperation | "otherMethods" | undefined {
  const atPath = all.flatMap(({ operation, pattern }) => {
    const found = operation.product === product ? pattern.exec(path) : null;
    return found === null ? [] : [{ operation, params: { ...found.groups } }];
  });
  return (
    atPath.find(({ operation }) => operation.method === method) ??
    (atPath.length > 0 ? "otherMethods" : undefined)
  );
}

/** An empty SID matches too: it is not found, rather than no such path. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", "\\.").replace(/\{(\w+)\}/g, "(?<$1>[^/.]*)")}$`);
}
