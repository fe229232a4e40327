import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { type Secret, secrets } from "../../kube/resource.ts";
import { testSecretName } from "../../routes/secrets.ts";
import { newTestAccount, type TestAccount } from "../../routes/test-route.ts";

/** Where the Secret of the test account is. */
export interface TestAccountOptions {
  /** A client that writes only while this process leads. */
  client: KubeClient;
  namespace: string;
  instance: string;
  signal: AbortSignal;
}

/**
 * The account of the installation's own test route (ADR 19). It is read from its Secret, which is created if it is
 * missing. The account is not made anew at each start: `helm test` has the token in its environment, and would fail
 * if the token changed.
 */
export async function testAccount(options: TestAccountOptions): Promise<TestAccount> {
  const { client, namespace, instance, signal } = options;
  const name = testSecretName(instance);
  for (;;) {
    const found = accountIn(await client.get(secrets, { namespace, name }, signal));
    if (found !== undefined) return found;
    const secret: Secret = {
      apiVersion: "v1",
      kind: "Secret",
      type: "smschannel.dev/test",
      metadata: { name, namespace, labels: { "app.kubernetes.io/managed-by": "sms-channel-operator" } },
      data: mapValues(newTestAccount(), (value) => Buffer.from(value).toString("base64")),
    };
    try {
      await client.create(secrets, secret, {}, signal);
    } catch (error) {
      // Another process created the Secret after this process had looked for it. So read the account from that
      // Secret.
      if (!(error instanceof KubeError && error.reason === "AlreadyExists")) throw error;
    }
  }
}

function accountIn(secret: Secret | undefined): TestAccount | undefined {
  if (secret === undefined) return undefined;
  const { accountSid, authToken, checkKey } = mapValues(secret.data ?? {}, (value) =>
    Buffer.from(value, "base64").toString(),
  );
  if (accountSid === undefined || authToken === undefined || checkKey === undefined)
    throw new Error(
      `Secret ${secret.metadata.namespace}/${secret.metadata.name} is damaged; delete it, and the operator makes another`,
    );
  return { accountSid, authToken, checkKey };
}

function mapValues(values: object, change: (value: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}
