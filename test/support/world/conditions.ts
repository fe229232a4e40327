import type { Condition } from "../../../src/api/index.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import type { KubeObject, ResourceType } from "../../../src/kube/resource.ts";
import { eventually } from "../eventually.ts";

/**
 * The expected conditions: for each type a status (`True`), a reason, or `absent`. Each condition must be for the object's newest
 * generation.
 */
export type Wanted = Record<string, string>;

export function matches(object: KubeObject, want: Wanted): boolean {
  const conditions =
    (object.status as { conditions?: Condition[]; observedGeneration?: number } | undefined)?.conditions ??
    [];
  return Object.entries(want).every(([type, value]) => {
    const found = conditions.find((each) => each.type === type);
    if (found === undefined) return value === "absent";
    // A condition of an older generation says nothing about the spec that the test has just applied.
    if (found.observedGeneration !== object.metadata.generation) return false;
    return found.status === value || found.reason === value;
  });
}

/** Resolves with the object once its conditions are as wanted. The error of a time-out shows the object's last status. */
export async function untilConditionsAre<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType<T>,
  ref: { namespace: string; name: string },
  want: Wanted,
): Promise<T> {
  let last: T | undefined;
  try {
    return await eventually(`${type.kind} ${ref.name} is ${JSON.stringify(want)}`, async () => {
      last = await client.get(type, ref);
      return last !== undefined && matches(last, want) ? last : undefined;
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}; it is ${JSON.stringify(last?.status ?? null)}`);
  }
}
