import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/client.ts";
import { type Secret, secrets } from "../../kube/resource.ts";
import { secretName } from "../../routes/table.ts";
import type { Webhook } from "./webhook.ts";

/** The webhook of each number as it was before us: whole, and therefore only in a Secret (its URL can carry a password). */
export interface PreviousWebhooks {
  /**
   * Stores it for the SmsNumber of this UID, in place of what is stored: that may be from an earlier time with us. Durable when
   * it resolves; until then there may be nothing stored, so the number must still be as it is saved here.
   */
  save(uid: string, webhook: Webhook, signal: AbortSignal): Promise<void>;
  read(uid: string, signal: AbortSignal): Promise<Webhook | undefined>;
  remove(uid: string, signal: AbortSignal): Promise<void>;
}

export interface PreviousWebhooksOptions {
  client: KubeClient;
  namespace: string;
  instance: string;
  /** A release whose objects are taken over, and with them what it saved. */
  takeOverFrom?: string | undefined;
}

const KEY = "webhook.json";

export function createPreviousWebhooks(options: PreviousWebhooksOptions): PreviousWebhooks {
  const { client, namespace, instance } = options;
  const own = (uid: string) => ({ namespace, name: nameOf(instance, uid) });
  const save: PreviousWebhooks["save"] = async (uid, webhook, signal) => {
    const secret: Secret = {
      apiVersion: "v1",
      kind: "Secret",
      type: "smschannel.dev/previous-webhook",
      metadata: { ...own(uid), labels: { "app.kubernetes.io/managed-by": "sms-channel-operator" } },
      data: { [KEY]: Buffer.from(JSON.stringify(webhook)).toString("base64") },
    };
    if (await created(client, secret, signal)) return;
    const stored = await client.get(secrets, own(uid), signal);
    if (stored?.data?.[KEY] === secret.data?.[KEY]) return;
    // Nobody may update what has no name beforehand; to delete and to create is allowed.
    if (stored !== undefined)
      await client.delete(secrets, own(uid), { uid: stored.metadata.uid ?? "" }, signal);
    await client.create(secrets, secret, signal);
  };
  return {
    save,
    async read(uid, signal) {
      const saved = webhookIn(await client.get(secrets, own(uid), signal));
      const former = saved === undefined ? formerOf(options, uid) : undefined;
      if (former === undefined) return saved;
      const inherited = webhookIn(await unlessForbidden(client.get(secrets, former, signal)));
      if (inherited !== undefined) await save(uid, inherited, signal);
      return inherited;
    },
    async remove(uid, signal) {
      await client.delete(secrets, own(uid), {}, signal);
      const former = formerOf(options, uid);
      if (former !== undefined) await unlessForbidden(client.delete(secrets, former, {}, signal));
    },
  };
}

/** False: there is one already. */
async function created(client: KubeClient, secret: Secret, signal: AbortSignal): Promise<boolean> {
  try {
    await client.create(secrets, secret, signal);
    return true;
  } catch (error) {
    if (error instanceof KubeError && error.reason === "AlreadyExists") return false;
    throw error;
  }
}

/** How the names of all of a release's begin; the SmsNumber's UID follows. */
export function previousPrefix(instance: string): string {
  return `${secretName(instance, "controller", 0).replace(/-controller-0$/, "")}-previous-`;
}

const nameOf = (instance: string, uid: string) => `${previousPrefix(instance)}${uid}`;

/** Where the release that is taken over keeps it: in its own namespace, the first part of its name. */
function formerOf({ takeOverFrom }: PreviousWebhooksOptions, uid: string) {
  const slash = takeOverFrom?.indexOf("/") ?? -1;
  if (takeOverFrom === undefined || slash < 1) return undefined;
  return { namespace: takeOverFrom.slice(0, slash), name: nameOf(takeOverFrom, uid) };
}

/** Another namespace's Secrets may be closed to us: then such a number is cleared one day instead of restored. */
async function unlessForbidden<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KubeError && error.status === 403) return undefined;
    throw error;
  }
}

function webhookIn(secret: Secret | undefined): Webhook | undefined {
  const text = secret?.data?.[KEY];
  return text === undefined ? undefined : (JSON.parse(Buffer.from(text, "base64").toString()) as Webhook);
}
