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
  /** Without leader election the operator always leads. */
  elect: { leaseMs: number; renewDeadlineMs: number; retryMs: number } | undefined;
  /** Objects of a kind that it works on at a time. */
  workers: number | undefined;
  clock: Clock;
  log: Log;
  /** Who it is in the Lease: replicas of one release differ in this alone. */
  identity: string;
}

/** An operator in this process, where a test can look at its records and its metrics. */
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

/** The operator first: while it ends what it has begun it still needs its term. */
export async function stopOperator({ operator, leader, client }: RunningOperator): Promise<void> {
  await operator.stop();
  await leader?.stop();
  await client.close();
}
