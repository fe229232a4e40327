const STALL_MS = 120_000;
const LOOK_EVERY_MS = 1000;

/** How far a bench has come: how many of how many objects are done, and an example of an object that is not done, with the reason. */
export interface Standing {
  done: number;
  of: number;
  example: string | undefined;
}

/** Resolves when the promise `all` resolves. Rejects after two minutes without progress, so that a bench that cannot end says why. */
export async function unlessItStalls(all: Promise<void>, look: () => Standing): Promise<void> {
  let [best, atMs] = [-1, performance.now()];
  const stalled = Promise.withResolvers<never>();
  const timer = setInterval(() => {
    const { done, of, example } = look();
    if (done > best) [best, atMs] = [done, performance.now()];
    if (performance.now() - atMs > STALL_MS)
      stalled.reject(
        new Error(`there was no progress for two minutes: ${best} of ${of} are done; ${example}`),
      );
  }, LOOK_EVERY_MS);
  await Promise.race([all, stalled.promise]).finally(() => clearInterval(timer));
}

/** Describes an object and why it is not Ready. */
export function standingOf({ kind, metadata, status }: ObjectWithConditions): string {
  const { reason, message } = status?.conditions?.find(({ type }) => type === "Ready") ?? {};
  return `${kind} ${metadata.name}: ${reason ?? "no status"}: ${message ?? "none"}`;
}

interface ObjectWithConditions {
  kind?: string | undefined;
  metadata: { name: string };
  status?: { conditions?: readonly { type: string; reason: string; message: string }[] } | undefined;
}
