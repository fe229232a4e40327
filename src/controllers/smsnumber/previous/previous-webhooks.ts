import type { KubeClient } from "../../../kube/client.ts";
import { KubeError } from "../../../kube/client.ts";
import { type Secret, secrets } from "../../../kube/resource.ts";
import type { Log } from "../../../log.ts";
import { previousPrefix } from "../../../routes/secrets.ts";
import { FIELDS, type Webhook } from "../../../twilio/webhook.ts";

/** The webhook of each number as it was before us: whole, and therefore only in a Secret (its URL can carry a password). */
export interface PreviousWebhooks {
  /**
   * Stores it for the SmsNumber of this UID, in place of what is stored: that may be from an earlier time with us. Durable when
   * it resolves; until then there may be nothing stored, so the number must still be as it is saved here.
   */
  save(uid: string, webhook: Webhook, signal: AbortSignal): Promise<void>;
  read(uid: string, signal: AbortSignal): Promise<Webhook | undefined>;
  remove(uid: string, signal: AbortSignal): Promise<void>;
  /**
   * Nobody holds the number any more, and it was not given back: what is stored for the SmsNumber is kept for the number, for
   * whoever holds it next in the same account. It stays stored for the SmsNumber until it is removed there, so that this may be
   * repeated.
   */
  keep(uid: string, number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  kept(number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  /** What was kept for the number is from now on stored for this SmsNumber, and given. */
  inherit(uid: string, number: NumberRef, signal: AbortSignal): Promise<Webhook | undefined>;
  forget(number: NumberRef, signal: AbortSignal): Promise<void>;
  /** `namespace/name` of the Secret in which it is kept. */
  keptIn(number: NumberRef): string;
}

/** A number in its account: what was saved of it is nobody's business in another. */
export interface NumberRef {
  phoneNumberSid: string;
  /** "" where it is not known any more. */
  accountSid: string;
}

export interface PreviousWebhooksOptions {
  client: KubeClient;
  log: Log;
  namespace: string;
  instance: string;
  /** A release whose objects are taken over, and with them what it saved. */
  takeOverFrom?: string | undefined;
}

const KEY = "webhook.json";
const ACCOUNT_ANNOTATION = "smschannel.dev/account-sid";

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
      // Where nobody knew the account any more, it is whose the number is.
      const isIts = (found?.accountSid || number.accountSid) === number.accountSid;
      return isIts ? found?.webhook : undefined;
    },
    async inherit(uid, number, signal) {
      const webhook = await store.kept(number, signal);
      if (webhook === undefined) return undefined;
      await store.save(uid, webhook, signal);
      await store.forget(number, signal);
      return webhook;
    },
    forget: (number, signal) => remove(keyOf(number), signal),
    keptIn: (number) => `${options.namespace}/${nameOf(options.instance, keyOf(number))}`,
  };
  return store;
}

/** Names of Secrets are in small letters. */
const keyOf = ({ phoneNumberSid }: NumberRef) => phoneNumberSid.toLowerCase();

/** Is it one that is kept for a number, not for an SmsNumber? Twilio's SIDs of numbers begin with PN, of short codes with SC. */
export function isKeptForNumber(instance: string, secret: string): boolean {
  const prefix = previousPrefix(instance);
  return secret.startsWith(prefix) && /^(pn|sc)[0-9a-z]{32}$/.test(secret.slice(prefix.length));
}

interface StoredWebhook {
  webhook: Webhook;
  accountSid?: string | undefined;
}

/** One Secret for each key, which is part of its name. */
function webhookSecrets(options: PreviousWebhooksOptions) {
  const { client, log, namespace, instance } = options;
  const own = (key: string) => ({ namespace, name: nameOf(instance, key) });
  const save = async (key: string, stored: StoredWebhook, signal: AbortSignal): Promise<void> => {
    const secret = secretOf(own(key), stored);
    if (await created(client, secret, signal)) return;
    const before = await client.get(secrets, own(key), signal);
    if (before?.data?.[KEY] === secret.data?.[KEY] && accountOf(before) === stored.accountSid) return;
    // Nobody may update what has no name beforehand; to delete and to create is allowed.
    if (before !== undefined)
      await client.delete(secrets, own(key), { uid: before.metadata.uid ?? "" }, signal);
    await client.create(secrets, secret, {}, signal);
  };
  const read = async (key: string, signal: AbortSignal): Promise<StoredWebhook | undefined> => {
    const saved = storedIn(await client.get(secrets, own(key), signal), log);
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

/** Where the release that is taken over keeps it: in its own namespace, the first part of its name. */
function formerOf({ takeOverFrom }: PreviousWebhooksOptions, key: string) {
  const slash = takeOverFrom?.indexOf("/") ?? -1;
  if (takeOverFrom === undefined || slash < 1) return undefined;
  return { namespace: takeOverFrom.slice(0, slash), name: nameOf(takeOverFrom, key) };
}

/** Another namespace's Secrets may be closed to us: then such a number is cleared one day instead of restored. */
export async function unlessForbidden<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KubeError && error.status === 403) return undefined;
    throw error;
  }
}

const accountOf = (secret: Secret | undefined) => secret?.metadata.annotations?.[ACCOUNT_ANNOTATION];

/** One that somebody damaged is none: a deletion that waited for it would never end. */
function storedIn(secret: Secret | undefined, log: Log): StoredWebhook | undefined {
  const text = secret?.data?.[KEY];
  if (secret === undefined || text === undefined) return undefined;
  const webhook = webhookIn(Buffer.from(text, "base64").toString());
  if (webhook !== undefined) return { webhook, accountSid: accountOf(secret) };
  const { namespace, name } = secret.metadata;
  log.warn(
    { secret: `${namespace}/${name}` },
    "a saved webhook cannot be read and is taken for none; what was there before us is not put back",
  );
  return undefined;
}

/** Nothing is thrown, as the error would quote what it could not read, and that can hold a password. */
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
