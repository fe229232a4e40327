import { setTimeout as sleep } from "node:timers/promises";
import { smsNumbers } from "../../src/api/index.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { namespaceOf } from "./objects.ts";
import type { SpokenProgress } from "./progress.ts";

/** The bench waits at most this long for a change to reach Twilio. A change that does not reach Twilio counts as taking this long. */
const GIVEN_UP_MS = 30_000;
const LOOK_EVERY_MS = 2;

export interface ChangesOptions {
  client: KubeClient;
  /** Whether the webhook of number i at Twilio points at the bench's receiver. */
  isOurs(i: number): boolean;
  /** Indexes of numbers with a webhook of somebody else. The bench takes these numbers over, as a user would. */
  takeovers: readonly number[];
  /** Indexes of pointed numbers. The bench deletes their SmsNumbers, so that the operator gives their webhooks back. */
  deletions: readonly number[];
  everyMs: number;
  progress: SpokenProgress;
}

/**
 * Makes users' changes at an even rate, without waiting for earlier changes. Returns how many milliseconds passed from each request to the
 * API server until Twilio had the change.
 */
export async function changesReachTwilio(options: ChangesOptions): Promise<number[]> {
  const { takeovers, deletions, everyMs, progress } = options;
  const changes = takeovers.flatMap((i, at) => [
    () => takeOver(options, i),
    () => remove(options, deletions[at]!),
  ]);
  const took: Promise<number>[] = [];
  for (const [at, change] of changes.entries()) {
    took.push(change());
    progress.say("changes", at + 1, changes.length);
    await sleep(everyMs);
  }
  return await Promise.all(took);
}

async function takeOver({ client, isOurs }: ChangesOptions, i: number): Promise<number> {
  const began = performance.now();
  await client.patch(
    smsNumbers,
    { namespace: namespaceOf(i), name: `n${i}` },
    { spec: { takeover: "Always" } },
  );
  return await until(began, () => isOurs(i));
}

async function remove({ client, isOurs }: ChangesOptions, i: number): Promise<number> {
  const began = performance.now();
  await client.delete(smsNumbers, { namespace: namespaceOf(i), name: `n${i}` });
  return await until(began, () => !isOurs(i));
}

async function until(began: number, isSo: () => boolean): Promise<number> {
  while (!isSo() && performance.now() - began < GIVEN_UP_MS) await sleep(LOOK_EVERY_MS);
  return performance.now() - began;
}
