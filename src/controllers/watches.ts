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

/** What to watch, and how. */
export interface WatchesOptions {
  client: KubeClient;
  /** Empty: all. */
  namespaces: readonly string[];
  clock: Clock;
  log: Log;
  registry: Registry;
}

/**
 * What is watched, by every replica and as long as the process lives, so that a new leader begins with full stores.
 */
export class Watches {
  readonly workStreams: Informer<WorkStream>;
  readonly smsNumbers: Informer<SmsNumber>;
  readonly operatingHours: Informer<OperatingHours>;
  /**
   * Names and versions only. The operator may not and need not hold the content of a cluster's Secrets; those it
   * needs are fetched by name.
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
        // Streams for which there was no room: one of them is woken when a route leaves.
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
      // A cluster has many Secrets that are not ours, some with large labels and annotations (Helm's, say). Only
      // name and version are kept (ADR 21).
      transform: ({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }) => ({
        apiVersion,
        kind,
        metadata: { name, namespace: namespace!, uid: uid!, resourceVersion: resourceVersion! },
      }),
    });
    // All watches talk to one API server. When one finds that the server was set back to a backup (ADR 23) the
    // others must list anew too: the server may have counted past their versions since, and then they could not
    // find out by themselves.
    for (const informer of this.all)
      informer.onRewound((found) => {
        if (found) for (const other of this.all) if (other !== informer) other.distrust();
      });
  }

  get all() {
    return [this.workStreams, this.smsNumbers, this.operatingHours, this.secrets];
  }

  /** Resolves when everything that may be listed has been listed once. */
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

/** It found no room for its route. */
function isRoomless({ status }: WorkStream): boolean {
  return conditionOf(status, "InboundUrlReady")?.reason === "RouteTableFull";
}
