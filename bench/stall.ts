const STALL_MS = 120_000;
const LOOK_EVERY_MS = 1000;

/** How much is done, and an example of what is not, with its reason. */
export interface Standing {
  done: number;
  of: number;
  example: string | undefined;
}

/** Resolves with `all`. Rejects after two minutes without progress, so that a bench that cannot end says why. */
export async function unlessItStalls(all: Promise<void>, look: () => Standing): Promise<void> {
  let [best, atMs] = [-1, performance.now()];
  const stalled = Promise.withResolvers<never>();
  const timer = setInterval(() => {
    const { done, of, example } = look();
    if (done > best) [best, atMs] = [done, performance.now()];
    if (performance.now() - atMs > STALL_MS)
      stalled.reject(
        new Error(`no more than ${best} of ${of} are done after two minutes of waiting; ${example}`),
      );
  }, LOOK_EVERY_MS);
  await Promise.race([all, stalled.promise]).finally(() => clearInterval(timer));
}

/** An object and why it is not Ready. */
export function standingOf({ kind, metadata, status }: ObjectWithConditions): string {
  const { reason, message } = status?.conditions?.find(({ type }) => type === "Ready") ?? {};
  return `${kind} ${metadata.name}: ${reason ?? "no status"}: ${message ?? "none"}`;
}

interface ObjectWithConditions {
  kind?: string | undefined;
  metadata: { name: string };
  status?: { conditions?: readonly { type: string; reason: string; message: string }[] } | undefined;
}
