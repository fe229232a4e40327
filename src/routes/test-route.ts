import { randomBytes } from "node:crypto";
import type { Route } from "./route.ts";
import { signatureKey } from "./signature-states.ts";
import { urlsUnder } from "./urls.ts";

/**
 * The name of the stream in the test route. Each installation has one test route, for `smschannel test-text`. No WorkStream can have this
 * name, because names in Kubernetes have no underscore. The account of the test route does not exist at Twilio and has a token of its own,
 * so a text can be signed without the credentials of any user. The test route has no number, so its texts are stored as `unrouted` and
 * never answered.
 */
export const TEST_STREAM = "_test";
/** The `namespace_uid` of the texts of the test route. It is not a UID, so it belongs to no namespace. */
const TEST_NAMESPACE_UID = "release-test";

/** The content of the Secret that `testSecretName` names. */
export interface TestAccount {
  accountSid: string;
  authToken: string;
  checkKey: string;
}

/** Makes an account for the test route, with random credentials. */
export function newTestAccount(): TestAccount {
  return {
    accountSid: `AC${randomBytes(16).toString("hex")}`,
    authToken: randomBytes(16).toString("hex"),
    checkKey: randomBytes(32).toString("base64"),
  };
}

/** Makes the test route of an installation. `publicUrl` must not end with a slash; `namespace` is the namespace of the installation. */
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
