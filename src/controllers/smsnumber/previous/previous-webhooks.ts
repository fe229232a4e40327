/**
 * Saves the webhook that each number had before this operator set its own, one Secret for each webhook.
 *
 * The Secret's name is `{release}-previous-{UID of the SmsNumber}` while an SmsNumber holds the number, and
 * `{release}-previous-{SID of the number}` while none does. UID and SID are part of the name, so a Secret can be
 * found without a list. Secrets are used because a webhook's URL can carry a password. One Secret for all webhooks
 * would not do: a Secret holds at most 1 MiB, and a saved webhook is needed only when a number is claimed or given
 * back.
 */

import type { KubeClient } from "../../../kube/client/client.ts";
import { KubeError } from "../../../kube/client/client.ts";
import { type Secret, secrets } from "../../../kube/resource.ts";
import type { Log } from "../../../log.ts";
import { previousPrefix } from "../../../routes/secrets.ts";
import { FIELDS, type Webhook } from "../../../twilio/webhook.ts";

/** The store of saved webhooks. A saved webhook is the one that a number had before this operator set its own. */
export interface PreviousWebhooks {
  /**
   * Saves the webhook for the SmsNumber with this UID, and replaces an earlier one, which may be out of date. The
   * webhook is durable when the promise resolves. While an earlier webhook is being replaced, there is a moment in
   * which none is stored, so the number at Twilio must still have the webhook that is saved here.
   */
  save(uid: string, webhook: Webhook, signal: AbortSignal): Promise<void>;
  /** Returns the saved webhook of this SmsNumber, or undefined if there is none. */
  read(uid: string, signal: AbortSignal): Promise<Webhook | undefined>;
  /** Deletes the saved webhook of this SmsNumber. It is no error if there is none. */
  remove(uid: string, signal: AbortSignal): Promise<void>;
  /**
   * Copies the saved webhook from the SmsNumber to the number, for the next holder in the same account, and returns
   * it. Call this when a number is let go without being given back. The SmsNumber's copy stays until `remove`, so
   * that this call can be repeated.
   */
  keep(uid: string, number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  /**
   * Returns the webhook that is kept for the number. Undefined if there is none, or if it was kept while the number
   * was in another account.
   */
  kept(number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  /** Moves the webhook that is kept for the number to this SmsNumber, and returns it. */
  inherit(uid: string, number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  /** Deletes the webhook that is kept for the number. */
  dropKept(number: NumberRef, signal: AbortSignal): Promise<void>;
  /** Returns `namespace/name` of the Secret that keeps the number's webhook, so that a person can find it. */
  keptIn(number: NumberRef): string;
}

/**
 * Identifies a number in its Twilio account. A number can move to another account, and the new owner must not get
 * the former owner's URL.
 */
export interface NumberRef {
  phoneNumberSid: string;
  /** The empty string if the account is no longer known. */
  accountSid: string;
}

/** The options of the store: the client, and the namespace and installation that the Secrets belong to. */
export interface PreviousWebhooksOptions {
  client: KubeClient;
  log: Log;
  namespace: string;
  instance: string;
  /**
   * `namespace/release` of an installation whose objects this one takes over, together with the webhooks that it
   * saved.
   */
  takeOverFrom?: string | undefined;
}

/**
 * The only key in each Secret with a saved webhook. Its name must not change: the docs say how to read a saved
 * webhook by hand.
 */
const KEY = "webhook.json";
const ACCOUNT_ANNOTATION = "smschannel.dev/account-sid";

/** Creates a store that keeps saved webhooks in Secrets in the operator's namespace. */
export function createPreviousWebhooks(options: PreviousWebhooksOptions): PreviousWebhooks {
  const { save, read, remove } = webhookSecrets(options);
  const store: PreviousWebhooks = {
    save: (uid, webhook, signal) => save(uid, { webhook }, signal),
    read: async (uid, signal) => (await read(uid, signal))?.webhook,
    remove,
    async keep(uid, number, signal) {
      const webhook = await store.read(uid, signal);
      if (webhook !== undefined)
        await save(keyOf(number), { webhook, accountSid: number.accountSid }, signal);
      return webhook;
    },
    async kept(number, signal) {
      const found = await read(keyOf(number), signal);
      // If the account was not known when the webhook was saved, any holder of the number may have the webhook.
      const isIts = (found?.accountSid || number.accountSid) === number.accountSid;
      return isIts ? found?.webhook : undefined;
    },
    async inherit(uid, number, signal) {
      const webhook = await store.kept(number, signal);
      if (webhook === undefined) return undefined;
      await store.save(uid, webhook, signal);
      await store.dropKept(number, signal);
      return webhook;
    },
    dropKept: (number, signal) => remove(keyOf(number), signal),
    keptIn: (number) => `${options.namespace}/${nameOf(options.instance, keyOf(number))}`,
  };
  return store;
}

/** The number's SID in lower case: names of Secrets must be in lower case, but Twilio's SIDs begin in upper case. */
const keyOf = ({ phoneNumberSid }: NumberRef) => phoneNumberSid.toLowerCase();

/**
 * Does this Secret belong to a number and not to an SmsNumber? Twilio's SIDs of numbers begin with PN and those of
 * short codes with SC, while an SmsNumber's UID contains dashes.
 */
export function isKeptForNumber(instance: string, secret: string): boolean {
  const prefix = previousPrefix(instance);
  return secret.startsWith(prefix) && /^(pn|sc)[0-9a-z]{32}$/.test(secret.slice(prefix.length));
}

interface StoredWebhook {
  webhook: Webhook;
  accountSid?: string | undefined;
}

/** Reads and writes the Secrets with saved webhooks. The key (a UID or a SID) is a part of the Secret's name. */
function webhookSecrets(options: PreviousWebhooksOptions) {
  const { client, log, namespace, instance } = options;
  const own = (key: string) => ({ namespace, name: nameOf(instance, key) });
  const save = async (key: string, stored: StoredWebhook, signal: AbortSignal): Promise<void> => {
    const secret = secretOf(own(key), stored);
    // Try to create the Secret first: nearly always there is none yet, and then saving costs a single request.
    if (await created(client, secret, signal)) return;
    const before = await client.get(secrets, own(key), signal);
    if (before?.data?.[KEY] === secret.data?.[KEY] && accountOf(before) === stored.accountSid) return;
    // Delete and create the Secret instead of updating it. The Role grants `update` only for Secrets whose names
    // are known in advance, and RBAC cannot match a prefix.
    if (before !== undefined)
      await client.delete(secrets, own(key), { uid: before.metadata.uid ?? "" }, signal);
    await client.create(secrets, secret, {}, signal);
  };
  const read = async (key: string, signal: AbortSignal): Promise<StoredWebhook | undefined> => {
    const saved = storedIn(await client.get(secrets, own(key), signal), log);
    // If this installation has no Secret with a webhook for this key, the installation that it takes over may have
    // one. The first read copies that Secret.
    const former = saved === undefined ? formerOf(options, key) : undefined;
    if (former === undefined) return saved;
    const inherited = storedIn(await unlessForbidden(client.get(secrets, former, signal)), log);
    if (inherited !== undefined) await save(key, inherited, signal);
    return inherited;
  };
  const remove = async (key: string, signal: AbortSignal): Promise<void> => {
    await client.delete(secrets, own(key), {}, signal);
    const former = formerOf(options, key);
    if (former !== undefined) await unlessForbidden(client.delete(secrets, former, {}, signal));
  };
  return { save, read, remove };
}

function secretOf(ref: { namespace: string; name: string }, { webhook, accountSid }: StoredWebhook): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: "smschannel.dev/previous-webhook",
    metadata: {
      ...ref,
      labels: { "app.kubernetes.io/managed-by": "sms-channel-operator" },
      ...(accountSid === undefined ? {} : { annotations: { [ACCOUNT_ANNOTATION]: accountSid } }),
    },
    data: { [KEY]: Buffer.from(JSON.stringify(webhook)).toString("base64") },
  };
}

/** Creates the Secret; returns false if it exists already. */
async function created(client: KubeClient, secret: Secret, signal: AbortSignal): Promise<boolean> {
  try {
    await client.create(secrets, secret, {}, signal);
    return true;
  } catch (error) {
    if (error instanceof KubeError && error.reason === "AlreadyExists") return false;
    throw error;
  }
}

const nameOf = (instance: string, key: string) => `${previousPrefix(instance)}${key}`;

/**
 * The name and namespace of the Secret for this key in the installation that is taken over; `takeOverFrom` is
 * `namespace/release`.
 */
function formerOf({ takeOverFrom }: PreviousWebhooksOptions, key: string) {
  const slash = takeOverFrom?.indexOf("/") ?? -1;
  if (takeOverFrom === undefined || slash < 1) return undefined;
  return { namespace: takeOverFrom.slice(0, slash), name: nameOf(takeOverFrom, key) };
}

/**
 * Treats a 403 from the API server as "there is no Secret": this operator may lack access to the Secrets of another
 * namespace. The number's deletion then clears the webhook instead of restoring it, which is better than a deletion
 * that never finishes.
 */
export async function unlessForbidden<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KubeError && error.status === 403) return undefined;
    throw error;
  }
}

const accountOf = (secret: Secret | undefined) => secret?.metadata.annotations?.[ACCOUNT_ANNOTATION];

/**
 * Reads the webhook in a Secret. A damaged Secret is treated as if it did not exist, because a deletion that insisted
 * on reading it would never end.
 */
function storedIn(secret: Secret | undefined, log: Log): StoredWebhook | undefined {
  const text = secret?.data?.[KEY];
  if (secret === undefined || text === undefined) return undefined;
  const webhook = webhookIn(Buffer.from(text, "base64").toString());
  if (webhook !== undefined) return { webhook, accountSid: accountOf(secret) };
  const { namespace, name } = secret.metadata;
  log.warn(
    { secret: `${namespace}/${name}` },
    "a saved webhook cannot be read and is ignored; the number's former webhook will not be put back",
  );
  return undefined;
}

/**
 * Parses a saved webhook without throwing: a JSON error would quote the unreadable text, which can hold a password.
 */
function webhookIn(text: string): Webhook | undefined {
  try {
    const parsed = JSON.parse(text) as Partial<Webhook> | null;
    return parsed !== null && FIELDS.every((field) => typeof parsed[field] === "string")
      ? (parsed as Webhook)
      : undefined;
  } catch {
    return undefined;
  }
}
