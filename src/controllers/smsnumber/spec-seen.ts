import type { Clock } from "../../clock.ts";
import type { Informer } from "../../kube/informer.ts";
import type { KubeObject } from "../../kube/resource.ts";

/**
 * When this process learnt of an object's present spec, to the millisecond: Kubernetes' own times are whole seconds, and it has
 * none for a change. Listens from now on, so it must be made before the informer starts.
 */
export function specSeen<T extends KubeObject>(informer: Pick<Informer<T>, "onChange">, clock: Clock) {
  const seen = new Map<string, { generation: number | undefined; atMs: number }>();
  informer.onChange(({ type, object: { metadata } }) => {
    const { uid = "", generation } = metadata;
    if (type === "deleted") seen.delete(uid);
    else if (seen.get(uid)?.generation !== generation || !seen.has(uid))
      seen.set(uid, { generation, atMs: clock.now() });
  });
  return ({ metadata }: T): number => seen.get(metadata.uid ?? "")?.atMs ?? clock.now();
}
