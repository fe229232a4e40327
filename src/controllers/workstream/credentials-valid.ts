/**
 * The step that judges a stream's credentials: the Secret is read, its form checked, and Twilio asked. An outage of
 * Twilio, or of the API server, must not make good credentials look bad: what was accepted before counts until
 * Twilio says otherwise.
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

/** What is known of a stream's credentials. */
export interface CredentialFacts {
  facts: NonNullable<StreamFacts["credentials"]>;
  /** Present when they are good. */
  good: { credentials: Credentials; accepted: string[] } | undefined;
  /** The credentials are not good, but Twilio accepts these tokens of this account, and so signatures by them. */
  onlyTokens?: { accountSid: string; accepted: readonly string[] } | undefined;
  /** The version of the Secret that was judged; undefined where there is none to read. */
  secretVersion: string | undefined;
  /** Twilio could not be asked; nothing is known that was not known before. */
  unobserved: Failure | undefined;
}

/**
 * Completes `CredentialsValid`. Throws a transient `Failure` when nothing could be found out; all other failures
 * are an answer.
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
      // A resync asks again about refused credentials; a change of something else need not.
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

/** Asks Twilio, or goes by the records while Twilio is away. */
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
    // The very credentials that Twilio accepted before: an outage takes nothing away from them.
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

/** A failure as the fact that it means. */
export function asFailure({ reason, message }: Failure) {
  return { ok: false as const, reason, message };
}
