import type { WorkStream } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
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
  /** They are not good, but for signatures: Twilio accepts these tokens of this account. */
  onlyTokens?: { accountSid: string; accepted: readonly string[] } | undefined;
  /** The version of the Secret that was judged; undefined where there is none to read. */
  secretVersion: string | undefined;
  /** Twilio could not be asked; nothing is known that was not known before. */
  unobserved: Failure | undefined;
}

/** Makes `CredentialsValid` true: the Secret, and what Twilio thinks of it. */
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

export function asFailure({ reason, message }: Failure) {
  return { ok: false as const, reason, message };
}
