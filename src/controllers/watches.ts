import type { Registry } from "@prometheus-io/client";
import {
  type OperatingHours,
  operatingHours,
  type SmsNumber,
  smsNumbers,
  type WorkStream,
  workStreams,
} from "../api/index.ts";
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { type Secret, secrets } from "../kube/resource.ts";
import { conditionOf } from "../kube/status/conditions.ts";
import { Informer } from "../kube/watch/informer.ts";
import type { Log } from "../log.ts";

/** Which namespaces to watch, and the clients for that. */
export interface WatchesOptions {
  client: KubeClient;
  /** The namespaces to watch. An empty list means all namespaces. */
  namespaces: readonly string[];
  clock: Clock;
  log: Log;
  registry: Registry;
}

/** The watches. Every replica keeps them as long as it lives, so that a new leader begins with full stores. */
export class Watches {
  readonly workStreams: Informer<WorkStream>;
  readonly smsNumbers: Informer<SmsNumber>;
  readonly operatingHours: Informer<OperatingHours>;
  /**
   * Secrets, of which only names and versions are kept. The operator has no need and no right to hold the content of
   * all Secrets of a cluster; it fetches those that it needs by name.
   */
  readonly secrets: Informer<Secret>;

  constructor(options: WatchesOptions) {
    this.workStreams = new Informer({
      ...options,
      type: workStreams,
      indexes: {
        secret: ({ metadata, spec }) => [
          `${metadata.namespace}/${spec.sms.twilio.credentialsSecretRef.name}`,
        ],
        // Streams for whose route there was no room. One of them is woken when another stream of the namespace is gone.
        roomless: (stream) => (isRoomless(stream) ? [stream.metadata.namespace!] : []),
      },
    });
    this.smsNumbers = new Informer({
      ...options,
      type: smsNumbers,
      indexes: {
        digits: ({ spec }) => [spec.number],
        stream: ({ metadata, spec }) => [`${metadata.namespace}/${spec.workStreamRef.name}`],
        hours: ({ metadata, spec }) =>
          spec.operatingHoursRef === undefined
            ? []
            : [`${metadata.namespace}/${spec.operatingHoursRef.name}`],
      },
    });
    this.operatingHours = new Informer({ ...options, type: operatingHours });
    this.secrets = new Informer({
      ...options,
      type: secrets,
      metadataOnly: true,
      // A cluster has many Secrets that are not ours, and some have large labels and annotations (those of Helm, for
      // example). So only name and version are kept (ADR 21).
      transform: ({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }) => ({
        apiVersion,
        kind,
        metadata: { name, namespace: namespace!, uid: uid!, resourceVersion: resourceVersion! },
      }),
    });
    // All watches talk to one API server. When one watch finds that the server was set back to a backup (ADR 23), the
    // other watches must list again too. Since the restore, the server may have counted past the resource versions that
    // the other watches know, and then the other watches cannot notice the restore by themselves.
    for (const informer of this.all)
      informer.onRewound((found) => {
        if (found) for (const other of this.all) if (other !== informer) other.distrust();
      });
  }

  get all() {
    return [this.workStreams, this.smsNumbers, this.operatingHours, this.secrets];
  }

  /** Resolves when every kind and namespace that may be listed has been listed once. */
  get synced(): Promise<unknown> {
    return Promise.all(this.all.map(({ synced }) => synced));
  }

  /** What is not watched at the moment and why, for `/readyz`. Undefined when everything is watched. */
  problem(): string | undefined {
    const problems = this.all.flatMap((informer) => informer.problem() ?? []);
    return problems.length === 0 ? undefined : problems.join("; ");
  }

  start() {
    for (const informer of this.all) informer.start();
  }

  async stop() {
    await Promise.all(this.all.map((informer) => informer.stop()));
  }
}

/** Whether the status says that there was no room for the route of this stream. */
function isRoomless({ status }: WorkStream): boolean {
  return conditionOf(status, "InboundUrlReady")?.reason === "RouteTableFull";
}
