import { randomBytes } from "node:crypto";
import type { Route } from "./route.ts";
import { signatureKey } from "./signature-states.ts";
import { urlsUnder } from "./urls.ts";

/**
 * A release's own route, for `smschannel test-text`: an account that Twilio does not know, with a token of its own, so that a
 * text can be signed without anybody's credentials. It has no number, so its texts are stored as `unrouted` and answered by
 * nobody. No WorkStream can have its name, as Kubernetes allows no underscore.
 */
export const TEST_STREAM = "_test";
/** Stands in `namespace_uid` of what is stored: no namespace's. */
const TEST_NAMESPACE_UID = "release-test";

/** What `{instance}-test` holds. */
export interface TestAccount {
  accountSid: string;
  authToken: string;
  checkKey: string;
}

export function newTestAccount(): TestAccount {
  return {
    accountSid: `AC${randomBytes(16).toString("hex")}`,
    authToken: randomBytes(16).toString("hex"),
    checkKey: randomBytes(32).toString("base64"),
  };
}

/** `publicUrl` as it is configured, without a slash at its end; `namespace` the release's. */
export async function testRoute(
  { accountSid, authToken, checkKey }: TestAccount,
  { publicUrl, namespace }: { publicUrl: string; namespace: string },
): Promise<Route> {
  return {
    namespace,
    namespaceUid: TEST_NAMESPACE_UID,
    stream: TEST_STREAM,
    accountSid,
    generation: 1,
    numbers: [],
    urls: [urlsUnder(publicUrl, namespace, TEST_STREAM)],
    keys: [await signatureKey(authToken)],
    checkKey: Buffer.from(checkKey, "base64"),
  };
}
