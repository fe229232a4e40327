import { type Condition, operatingHours, smsNumbers, workStreams } from "../src/api/index.ts";
import type { Clock } from "../src/clock.ts";
import type { KubeClient } from "../src/kube/client/client.ts";
import type { KubeObject, ResourceType } from "../src/kube/resource.ts";
import { Informer } from "../src/kube/watch/informer.ts";
import type { Log } from "../src/log.ts";
import { waitFor } from "./expect.ts";

export interface DemoObject extends KubeObject {
  status?: {
    observedGeneration?: number;
    conditions?: Condition[];
    inboundUrl?: string;
    fallbackUrl?: string;
    configuredUrl?: string;
  };
}

const KINDS: ResourceType<DemoObject>[] = [workStreams, smsNumbers, operatingHours];
const READY_WITHIN_MS = 60_000;

/** Watches WorkStreams, SmsNumbers and OperatingHours as any client can, and reports each change of a condition once. */
export class Objects {
  readonly #informers: Informer<DemoObject>[];
  readonly #told = new Map<string, string>();

  constructor(options: { client: KubeClient; clock: Clock; log: Log; onTurn: (line: string) => void }) {
    const { onTurn, ...rest } = options;
    this.#informers = KINDS.map((type) => new Informer<DemoObject>({ ...rest, type }));
    for (const informer of this.#informers)
      informer.onChange(({ type, object }) => {
        if (type !== "deleted") for (const line of this.#turned(object)) onTurn(line);
      });
  }

  async start(): Promise<void> {
    for (const informer of this.#informers) informer.start();
    await Promise.all(this.#informers.map((informer) => informer.synced));
  }
  async stop(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.stop()));
  }

  get({ kind, metadata }: KubeObject): DemoObject | undefined {
    const informer = this.#informers.find(({ type }) => type.kind === kind);
    return informer?.store.get(metadata.namespace, metadata.name);
  }

  /** Waits until the object is Ready. A Ready condition of an older generation does not count, because it is about an older spec. */
  ready(object: KubeObject, signal: AbortSignal): Promise<DemoObject> {
    const name = `${object.kind} ${object.metadata.name}`;
    return waitFor({
      expected: `${name} to be Ready`,
      withinMs: READY_WITHIN_MS,
      signal,
      look: () => {
        const now = this.get(object);
        return now !== undefined && isReady(now) ? now : undefined;
      },
      seen: () => describe(this.get(object)),
    });
  }

  #turned({ kind, metadata, status }: DemoObject): string[] {
    return (status?.conditions ?? []).flatMap(({ type, status, reason, message }) => {
      const key = `${kind}/${metadata.namespace}/${metadata.name}/${type}`;
      const value = `${status.padEnd(8)} ${reason}${status === "True" ? "" : `: ${message}`}`;
      if (this.#told.get(key) === value) return [];
      this.#told.set(key, value);
      return [`${`${kind.toLowerCase()}/${metadata.name}`.padEnd(28)} ${type.padEnd(17)} ${value}`];
    });
  }
}

/** Whether the object is Ready in its current generation. */
export const isReady = ({ metadata, status }: DemoObject): boolean =>
  status?.observedGeneration === metadata.generation &&
  (status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True");

function describe(object: DemoObject | undefined): string {
  if (object === undefined) return "no such object";
  const conditions = object.status?.conditions ?? [];
  if (conditions.length === 0) return "no condition at all";
  return conditions
    .map(({ type, status, reason, message }) => `${type}=${status} ${reason} (${message})`)
    .join("; ");
}
