import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/client.ts";
import { type Secret, secrets } from "../../kube/resource.ts";
import { secretName } from "../../routes/table.ts";
import type { Webhook } from "./webhook.ts";

/** The webhook of each number as it was before us: whole, and therefore only in a Secret (its URL can carry a password). */
export interface PreviousWebhooks {
  /** Stores it for the SmsNumber of this UID unless one is stored already: the first is the one from before us. Durable when it resolves. */
  save(uid: string, webhook: Webhook, signal: AbortSignal): Promise<void>;
  read(uid: string, signal: AbortSignal): Promise<Webhook | undefined>;
  remove(uid: string, signal: AbortSignal): Promise<void>;
}

export interface PreviousWebhooksOptions {
  client: KubeClient;
  namespace: string;
  instance: string;
}

const KEY = "webhook.json";

export function createPreviousWebhooks({
  client,
  namespace,
  instance,
}: PreviousWebhooksOptions): PreviousWebhooks {
  const refOf = (uid: string) => ({
    namespace,
    name: `${secretName(instance, "controller", 0).replace(/-controller-0$/, "")}-previous-${uid}`,
  });
  return {
    async save(uid, webhook, signal) {
      const secret: Secret = {
        apiVersion: "v1",
        kind: "Secret",
        type: "smschannel.dev/previous-webhook",
        metadata: { ...refOf(uid), labels: { "app.kubernetes.io/managed-by": "sms-channel-operator" } },
        data: { [KEY]: Buffer.from(JSON.stringify(webhook)).toString("base64") },
      };
      try {
        await client.create(secrets, secret, signal);
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === "AlreadyExists")) throw error;
      }
    },
    async read(uid, signal) {
      const text = (await client.get(secrets, refOf(uid), signal))?.data?.[KEY];
      return text === undefined ? undefined : (JSON.parse(Buffer.from(text, "base64").toString()) as Webhook);
    },
    async remove(uid, signal) {
      await client.delete(secrets, refOf(uid), {}, signal);
    },
  };
}
