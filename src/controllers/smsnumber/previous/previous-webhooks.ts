/**
 * The webhook of each number as it was before us, one Secret for each: `{release}-previous-{UID of the SmsNumber}`
 * while an SmsNumber holds the number, and `{release}-previous-{SID of the number}` while nobody does. Secrets,
 * since a webhook's URL can carry a password. One each and not one for all, since a Secret holds 1 MiB and these
 * are needed only when a number is taken or given back. UID and SID stand in the name, so nothing has to be listed
 * to find one.
 */

import type { KubeClient } from "../../../kube/client/client.ts";
import { KubeError } from "../../../kube/client/client.ts";
import { type Secret, secrets } from "../../../kube/resource.ts";
import type { Log } from "../../../log.ts";
import { previousPrefix } from "../../../routes/secrets.ts";
import { FIELDS, type Webhook } from "../../../twilio/webhook.ts";

/** Stores, finds and moves saved webhooks. */
export interface PreviousWebhooks {
  /**
   * Stores it for the SmsNumber of this UID, in place of what is stored there, which may be from an earlier time
   * with us. Durable when it resolves. In between nothing may be stored at all, so the number at Twilio must still
   * be as it is saved here.
   */
  save(uid: string, webhook: Webhook, signal: AbortSignal): Promise<void>;
  /** Undefined: none is stored. */
  read(uid: string, signal: AbortSignal): Promise<Webhook | undefined>;
  /** No error when there is none. */
  remove(uid: string, signal: AbortSignal): Promise<void>;
  /**
   * The number is let go without being given back: copies what is stored for the SmsNumber to the number, for the
   * next holder in the same account, and returns it. It stays stored for the SmsNumber until `remove`, so that this
   * may be repeated.
   */
  keep(uid: string, number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  /** What is kept for the number; undefined also when it is of another account. */
  kept(number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  /** Moves what is kept for the number to this SmsNumber, and returns it. */
  inherit(uid: string, number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  /** Deletes what is kept for the number. */
  dropKept(number: NumberRef, signal: AbortSignal): Promise<void>;
  /** `namespace/name` of the Secret in which it is kept, for a person to look at. */
  keptIn(number: NumberRef): string;
}

/**
 * A number in its account. Twilio lets a number move to another account, whose owner must not get a former owner's
 * URL.
 */
export interface NumberRef {
  phoneNumberSid: string;
  /** "" where it is not known any more. */
  accountSid: string;
}

/** Where the Secrets live. */
export interface PreviousWebhooksOptions {
  client: KubeClient;
  log: Log;
  namespace: string;
  instance: string;
  /** An installation whose objects are taken over, and with them what it saved. */
  takeOverFrom?: string | undefined;
}

/** The Secret's one key. Public in effect: docs tell how to read a saved webhook by hand. */
const KEY = "webhook.json";
const ACCOUNT_ANNOTATION = "smschannel.dev/account-sid";

/** Keeps saved webhooks in Secrets of the operator's namespace. */
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
      // Saved when nobody knew the account any more: then it serves whoever holds the number.
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

/** Names of Secrets must be in lower case. */
const keyOf = ({ phoneNumberSid }: NumberRef) => phoneNumberSid.toLowerCase();

/**
 * Does this Secret belong to a number, not to an SmsNumber? Twilio's SIDs of numbers begin with PN, those of short
 * codes with SC; UIDs have dashes.
 */
export function isKeptForNumber(instance: string, secret: string): boolean {
  const prefix = previousPrefix(instance);
  return secret.startsWith(prefix) && /^(pn|sc)[0-9a-z]{32}$/.test(secret.slice(prefix.length));
}

interface StoredWebhook {
  webhook: Webhook;
  accountSid?: string | undefined;
}

/** Reads and writes the Secrets; the key is a part of the name. */
function webhookSecrets(options: PreviousWebhooksOptions) {
  const { client, log, namespace, instance } = options;
  const own = (key: string) => ({ namespace, name: nameOf(instance, key) });
  const save = async (key: string, stored: StoredWebhook, signal: AbortSignal): Promise<void> => {
    const secret = secretOf(own(key), stored);
    // Creating comes first: nearly always there is none, and then it costs one request.
    if (await created(client, secret, signal)) return;
    const before = await client.get(secrets, own(key), signal);
    if (before?.data?.[KEY] === secret.data?.[KEY] && accountOf(before) === stored.accountSid) return;
    // Delete and create instead of update: the Role grants update only for Secrets whose names are known
    // beforehand, and RBAC cannot match a prefix.
    if (before !== undefined)
      await client.delete(secrets, own(key), { uid: before.metadata.uid ?? "" }, signal);
    await client.create(secrets, secret, {}, signal);
  };
  const read = async (key: string, signal: AbortSignal): Promise<StoredWebhook | undefined> => {
    const saved = storedIn(await client.get(secrets, own(key), signal), log);
    // Not here: perhaps the installation that was taken over has it. It is copied on the first read.
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

/** False: there is one already. */
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

/** Where the installation that is taken over keeps it: `takeOverFrom` is `namespace/release`. */
function formerOf({ takeOverFrom }: PreviousWebhooksOptions, key: string) {
  const slash = takeOverFrom?.indexOf("/") ?? -1;
  if (takeOverFrom === undefined || slash < 1) return undefined;
  return { namespace: takeOverFrom.slice(0, slash), name: nameOf(takeOverFrom, key) };
}

/**
 * The Secrets of another namespace may be closed to us. Then the number is cleared one day instead of restored,
 * which is better than never finishing.
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

/** A damaged Secret counts as none. A deletion that insisted on it would never end. */
function storedIn(secret: Secret | undefined, log: Log): StoredWebhook | undefined {
  const text = secret?.data?.[KEY];
  if (secret === undefined || text === undefined) return undefined;
  const webhook = webhookIn(Buffer.from(text, "base64").toString());
  if (webhook !== undefined) return { webhook, accountSid: accountOf(secret) };
  const { namespace, name } = secret.metadata;
  log.warn(
    { secret: `${namespace}/${name}` },
    "a saved webhook cannot be read and is ignored; the webhook from before us will not be put back",
  );
  return undefined;
}

/** Throws nothing: a JSON error quotes the text it could not read, which can hold a password. */
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
