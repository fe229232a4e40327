/**
 * The step that judges a WorkStream's credentials: it reads the Secret, checks the form of its values, and calls
 * Twilio. An outage of Twilio or of the API server must not make good credentials look bad. Credentials that Twilio
 * accepted before count as good until Twilio refuses them.
 */

import type { WorkStream } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import { routeKey } from "../../routes/route.ts";
import { KeyRefused } from "../../twilio/check.ts";
import { type Credentials, parseCredentials } from "../../twilio/credentials.ts";
import type { CheckOptions } from "./credential-checks.ts";
import type { StreamKey, WorkStreamDeps } from "./deps.ts";
import type { StreamFacts } from "./verdicts.ts";

/** What is known about a WorkStream's credentials. */
export interface CredentialFacts {
  facts: NonNullable<StreamFacts["credentials"]>;
  /** The credentials and the tokens that Twilio accepts; undefined when the credentials are not good. */
  good: { credentials: Credentials; accepted: string[] } | undefined;
  /**
   * Set when Twilio refuses the API key but accepts these auth tokens of the account: signatures made with them are
   * valid.
   */
  onlyTokens?: { accountSid: string; accepted: readonly string[] } | undefined;
  /** The resourceVersion of the Secret that was judged; undefined when no Secret could be read. */
  secretVersion: string | undefined;
  /** The failure, when Twilio could not be reached and the attempt relies on what was known before. */
  unobserved: Failure | undefined;
}

/**
 * Completes the condition `CredentialsValid`. Throws a transient `Failure` when nothing could be found out. Any
 * other failure is a result: the credentials are not good.
 */
export async function judgeCredentials(
  deps: WorkStreamDeps,
  { object, lane, patience }: ReconcileContext<WorkStream>,
  where: StreamKey,
): Promise<CredentialFacts> {
  const { credentialsSecretRef, region, edge } = object.spec.sms.twilio;
  let secretVersion: string | undefined;
  let accountSid = "";
  try {
    const ref = { namespace: where.namespace, name: credentialsSecretRef.name };
    const { data, version } = await deps.secrets.read(ref, patience);
    secretVersion = version;
    const credentials = parseCredentials(data, {
      ...(region === undefined ? {} : { region }),
      ...(edge === undefined ? {} : { edge }),
    });
    accountSid = credentials.accountSid;
    const asked = await askTwilio(deps, credentials, where, {
      lane,
      tenant: where.namespace,
      signal: patience,
      // A resync checks refused credentials again. An attempt for any other reason need not do that.
      again: lane === "resync",
      touchedAtMs: deps.touchedAt(object),
    });
    return { ...asked, secretVersion };
  } catch (error) {
    if (!(error instanceof Failure) || error.class === "transient") throw error;
    const bad = { facts: asFailure(error), good: undefined, unobserved: undefined, secretVersion };
    return error instanceof KeyRefused
      ? { ...bad, onlyTokens: { accountSid, accepted: error.acceptedTokens } }
      : bad;
  }
}

/** Checks the credentials with Twilio, or relies on the records while Twilio does not answer. */
async function askTwilio(
  deps: WorkStreamDeps,
  credentials: Credentials,
  where: StreamKey,
  options: CheckOptions,
): Promise<Omit<CredentialFacts, "secretVersion">> {
  try {
    const user = `${where.namespace}/${where.stream}`;
    const answer = await deps.credentialChecks.check(user, credentials, options);
    const accepted = [
      ...(answer.authToken === "accepted" ? [credentials.authToken] : []),
      ...(answer.secondaryAuthToken === "accepted" && credentials.secondaryAuthToken !== undefined
        ? [credentials.secondaryAuthToken]
        : []),
    ];
    return {
      facts: { ok: true, promoted: answer.promoted },
      good: { credentials, accepted },
      unobserved: undefined,
    };
  } catch (error) {
    const recorded = deps.records.route(routeKey({ ...where, accountSid: credentials.accountSid }));
    const transient = error instanceof Failure && error.class === "transient";
    // During an outage the credentials stay good if Twilio accepted exactly these credentials before.
    if (
      !transient ||
      recorded === undefined ||
      JSON.stringify(recorded.credentials) !== JSON.stringify(credentials)
    )
      throw error;
    const current = recorded.tokens
      .filter(({ retiredAtMs }) => retiredAtMs === undefined)
      .map(({ token }) => token);
    return {
      facts: { ok: true, promoted: false },
      good: { credentials, accepted: current },
      unobserved: error,
    };
  }
}

/** Turns a failure into a fact about the credentials. */
export function asFailure({ reason, message }: Failure) {
  return { ok: false as const, reason, message };
}
