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
import type { KubeClient } from "../kube/client.ts";
import { conditionOf } from "../kube/conditions.ts";
import { Informer } from "../kube/informer.ts";
import { type Secret, secrets } from "../kube/resource.ts";
import type { Log } from "../log.ts";

export interface WatchesOptions {
  client: KubeClient;
  /** Empty: all. */
  namespaces: readonly string[];
  clock: Clock;
  log: Log;
  registry: Registry;
}

/** What is watched, by every replica and for as long as the process lives: a new leader begins with full stores. */
export class Watches {
  readonly workStreams: Informer<WorkStream>;
  readonly smsNumbers: Informer<SmsNumber>;
  readonly operatingHours: Informer<OperatingHours>;
  /** Names and versions only; contents are fetched by name. */
  readonly secrets: Informer<Secret>;

  constructor(options: WatchesOptions) {
    this.workStreams = new Informer({
      ...options,
      type: workStreams,
      indexes: {
        secret: ({ metadata, spec }) => [
          `${metadata.namespace}/${spec.sms.twilio.credentialsSecretRef.name}`,
        ],
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
      // A cluster has many that are nobody's here, some with large labels and annotations.
      transform: ({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }) => ({
        apiVersion,
        kind,
        metadata: { name, namespace: namespace!, uid: uid!, resourceVersion: resourceVersion! },
      }),
    });
    // All watches talk to one server. When one finds that it was set back, the others list anew, too: the server may have
    // counted past their versions since, and then they would not find it by themselves.
    for (const informer of this.all)
      informer.onRewound((found) => {
        if (found) for (const other of this.all) if (other !== informer) other.distrust();
      });
  }

  get all() {
    return [this.workStreams, this.smsNumbers, this.operatingHours, this.secrets];
  }

  /** Resolves when everything has been listed once that may be. */
  get synced(): Promise<unknown> {
    return Promise.all(this.all.map(({ synced }) => synced));
  }

  /** What is not watched at the moment and why, for `/readyz`; undefined when everything is. */
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

/** It found no room for a route. */
function isRoomless({ status }: WorkStream): boolean {
  return conditionOf(status, "InboundUrlReady")?.reason === "RouteTableFull";
}
