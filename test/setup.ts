import { rm } from "node:fs/promises";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../src/inbox/embedded.ts";
import { createLog } from "../src/log.ts";
import { startControlPlane } from "./support/controlplane/controlplane.ts";
import { temporaryDirectory } from "./support/controlplane/directory.ts";
import { applyCrds, deleteTestNamespaces } from "./support/crds.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of an administrator's kubeconfig of the run's control plane. */
    kubeconfig: string;
    /** The kubectl of its release, where there is one. */
    kubectl: string | undefined;
    /** URL of a role that may create databases and roles. */
    postgresUrl: string;
    /** Part of all names that the run creates, so that they can be removed from a cluster or server that is kept. */
    runId: string;
  }
}

const log = createLog({ level: process.env.LOG_LEVEL ?? "warn", process: "test" });

/** One control plane and one PostgreSQL for the whole run; each test makes its own namespace or database in them. */
export default async function setup(project: TestProject) {
  const runId = Math.random().toString(36).slice(2, 8);
  const [cluster, database] = await Promise.all([startCluster(runId), startDatabase(runId)]);
  project.provide("kubeconfig", cluster.kubeconfig);
  project.provide("kubectl", cluster.kubectl);
  project.provide("postgresUrl", database.url);
  project.provide("runId", runId);
  return async () => {
    await Promise.all([cluster.stop(), database.stop()]);
  };
}

async function startCluster(runId: string) {
  const controlPlane = await startControlPlane({ log });
  await applyCrds(controlPlane.kubeconfig);
  return {
    kubeconfig: controlPlane.kubeconfig,
    kubectl: controlPlane.kubectl,
    async stop() {
      if (!controlPlane.disposable) await deleteTestNamespaces(controlPlane.kubeconfig, runId);
      await controlPlane.stop();
    },
  };
}

async function startDatabase(runId: string) {
  const given = process.env.TEST_DATABASE_URL ?? process.env.DATABASE_URL;
  if (given !== undefined && given !== "") return { url: given, stop: () => dropTestDatabases(given, runId) };
  const dataDir = await temporaryDirectory("sms-test-postgres");
  // Without fsync a killed server still loses nothing; only a power cut could lose data.
  const settings = { fsync: "off", max_connections: "300", shared_buffers: "256MB" };
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings });
  return {
    url: postgres.ownerUrl,
    async stop() {
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function dropTestDatabases(url: string, runId: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>(
    "select datname from pg_database where datname like $1",
    [`test_${runId}_%`],
  );
  for (const { datname } of rows) await client.query(`drop database "${datname}" with (force)`);
  await client.end();
}
