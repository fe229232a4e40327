import type { SmsNumber } from "../../src/api/index.ts";
import { smsNumbers } from "../../src/api/index.ts";
import type { SimulatorSeed } from "../../src/simulator/state/seed.ts";
import { eventually } from "./eventually.ts";
import { matches } from "./world/conditions.ts";
import type { World } from "./world.ts";

/** An account of one tenant with many numbers. Each number has its own stream, because a stream has only one number. */
export interface Fleet {
  accountSid: string;
  authToken: string;
  namespace: string;
  /** The names of the streams. Each number has the same name as its stream. */
  names: string[];
  digits(name: string): string;
}

const PREFIX = "line-";
const digitsOf = (account: number, at: number) => `1206${account}${String(550_000 + at)}`;
const sidOf = (account: number) => `AC${String(account).padStart(32, "0")}`;
const tokenOf = (account: number) => `fleet-auth-token-${account}`;

/**
 * A seed with one account for each of the sizes, at most 9. Each account has as many numbers as its size says. `applyFleet` names their
 * SmsNumbers `line-0` and so on.
 */
export function fleetSeed(...sizes: number[]): SimulatorSeed {
  return {
    accounts: sizes.map((_, at) => ({ sid: sidOf(at + 1), authToken: tokenOf(at + 1) })),
    numbers: sizes.flatMap((size, at) =>
      Array.from({ length: size }, (_, i) => ({
        accountSid: sidOf(at + 1),
        phoneNumber: `+${digitsOf(at + 1, i)}`,
      })),
    ),
  };
}

/** Applies the numbers `from` to `to` of an account as objects of a namespace, with one Secret for all of them. */
export async function applyFleet(
  world: World,
  { account, namespace, from = 0, to }: { account: number; namespace: string; from?: number; to: number },
  spec: Partial<SmsNumber["spec"]> = {},
): Promise<Fleet> {
  const accountSid = sidOf(account);
  const authToken = tokenOf(account);
  const names = Array.from({ length: to - from }, (_, i) => `${PREFIX}${from + i}`);
  const digits = (name: string) => digitsOf(account, Number(name.slice(PREFIX.length)));
  const secret = `twilio-${account}`;
  await world.secret({ accountSid, authToken }, { name: secret, namespace });
  await atATime(20, names, async (name) => {
    const sms = { twilio: { credentialsSecretRef: { name: secret } } };
    await world.stream({ sms }, { name, namespace });
    await world.number(
      { workStreamRef: { name }, number: digits(name), ...spec },
      {
        name,
        namespace,
      },
    );
  });
  return { accountSid, authToken, namespace, names, digits };
}

export async function fleetIsReady(world: World, { namespace, names }: Fleet, timeoutMs = 60_000) {
  await eventually(
    `all ${names.length} numbers of ${namespace} are ready`,
    async () => {
      const { items } = await world.client.list(smsNumbers, { namespace });
      const ready = items.filter(
        (each) => names.includes(each.metadata.name) && matches(each, { Ready: "True" }),
      );
      return ready.length === names.length ? true : undefined;
    },
    timeoutMs,
  );
}

export async function deleteFleet(world: World, { namespace, names }: Fleet) {
  await atATime(20, names, (name) => world.deleteNumber(name, namespace));
}

export async function fleetIsGone(world: World, { namespace, names }: Fleet, timeoutMs = 20_000) {
  await eventually(
    `all ${names.length} numbers of ${namespace} are gone`,
    async () => {
      const { items } = await world.client.list(smsNumbers, { namespace });
      return items.some(({ metadata }) => names.includes(metadata.name)) ? undefined : true;
    },
    timeoutMs,
  );
}

async function atATime<T>(count: number, items: readonly T[], run: (item: T) => Promise<unknown>) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await run(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, worker));
}
