import { type SmsNumber, smsNumbers, type WorkStream, workStreams } from "../../src/api/index.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { namespaces, type Secret, secrets } from "../../src/kube/resource.ts";
import type { SimulatorSeed } from "../../src/simulator/simulator.ts";
import type { SpokenProgress } from "./progress.ts";

/** How many objects and accounts there are. Object i is a Secret, a WorkStream and an SmsNumber, all named `n<i>`. */
export interface Shape {
  objects: number;
  accounts: number;
  /** How many numbers, counted from the first, have somebody else's webhook until a user sets `takeover: Always`. */
  foreign: number;
}

const PER_NAMESPACE = 1000;
export const FOREIGN_URL = "https://crm.example.com/sms";

export const namespaceOf = (i: number) => `team-${Math.floor(i / PER_NAMESPACE)}`;
export const digitsOf = (i: number) => `1425${2_000_000 + i}`;
const accountSid = (shape: Shape, i: number) => `AC${String(i % shape.accounts).padStart(32, "0")}`;
const authToken = (shape: Shape, i: number) => String(i % shape.accounts).padStart(32, "f");

export function seedOf(shape: Shape): SimulatorSeed {
  return {
    accounts: Array.from({ length: shape.accounts }, (_, i) => ({
      sid: accountSid(shape, i),
      authToken: authToken(shape, i),
    })),
    numbers: Array.from({ length: shape.objects }, (_, i) => ({
      accountSid: accountSid(shape, i),
      phoneNumber: `+${digitsOf(i)}`,
      ...(i < shape.foreign ? { smsUrl: FOREIGN_URL } : {}),
    })),
  };
}

export async function createObjects(
  client: KubeClient,
  shape: Shape,
  progress: SpokenProgress,
): Promise<void> {
  const spaces = new Set(Array.from({ length: shape.objects }, (_, i) => namespaceOf(i)));
  for (const name of spaces)
    await client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < shape.objects; i = next++) {
      await createOne(client, shape, i);
      progress.say("created", 3 * (i + 1), 3 * shape.objects);
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

async function createOne(client: KubeClient, shape: Shape, i: number) {
  const metadata = { name: `n${i}`, namespace: namespaceOf(i) };
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  await client.create(secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata,
    data: { accountSid: base64(accountSid(shape, i)), authToken: base64(authToken(shape, i)) },
  } satisfies Secret);
  await client.create(workStreams, {
    apiVersion: "smschannel.dev/v1alpha1",
    kind: "WorkStream",
    metadata,
    spec: {
      autoCloseAfterInactivity: "48h",
      sms: { twilio: { credentialsSecretRef: { name: metadata.name } } },
    },
  } satisfies WorkStream);
  await client.create(smsNumbers, {
    apiVersion: "smschannel.dev/v1alpha1",
    kind: "SmsNumber",
    metadata,
    spec: { workStreamRef: { name: metadata.name }, number: digitsOf(i) },
  } satisfies SmsNumber);
}
