import { Registry } from "@prometheus-io/client";
import type { Clock } from "../../../src/clock.ts";
import { Operator, type OperatorConfig } from "../../../src/controllers/operator.ts";
import { KubeClient } from "../../../src/kube/client/client.ts";
import { LeaderElector } from "../../../src/kube/leader/leader.ts";
import type { Log } from "../../../src/log.ts";

export interface RunningOperator {
  operator: Operator;
  leader: LeaderElector | undefined;
  client: KubeClient;
  registry: Registry;
}

export interface OperatorSettings {
  kubeconfig: string;
  config: OperatorConfig;
  /** The times of leader election. Undefined: the operator always leads, without an election. */
  elect: { leaseMs: number; renewDeadlineMs: number; retryMs: number } | undefined;
  /** How many objects of a kind the operator works on at the same time. */
  workers: number | undefined;
  clock: Clock;
  log: Log;
  /** The operator's identity in the Lease. Replicas of one release differ only in this identity. */
  identity: string;
}

/** Starts an operator in this process, so that a test can read its records and its metrics. */
export function startOperator(settings: OperatorSettings): RunningOperator {
  const { kubeconfig, config, elect, workers, clock, log, identity } = settings;
  const client = KubeClient.load({ kubeconfig, userAgent: "test-operator", log, requestTimeoutMs: 5000 });
  const namespace = config.operatorNamespace;
  const leader =
    elect === undefined
      ? undefined
      : new LeaderElector({ client, namespace, name: "test-controller", identity, clock, log, ...elect });
  const registry = new Registry();
  const operator = new Operator({
    client,
    leader,
    identity,
    clock,
    log,
    registry,
    ...(workers === undefined ? {} : { workers }),
    config,
  });
  operator.start();
  leader?.start();
  return { operator, leader, client, registry };
}

/** Stops the operator before the leader election: the operator needs its term until its started work has ended. */
export async function stopOperator({ operator, leader, client }: RunningOperator): Promise<void> {
  await operator.stop();
  await leader?.stop();
  await client.close();
}
