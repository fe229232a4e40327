import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { inject } from "vitest";
import { parse } from "yaml";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import { spawnTied, stopChild } from "../../src/child.ts";
import { systemClock } from "../../src/clock.ts";
import { KubeClient } from "../../src/kube/client/client.ts";
import { KubeError } from "../../src/kube/client/errors.ts";
import type { KubeObject, ResourceType } from "../../src/kube/resource.ts";
import { silentLog } from "../../src/log.ts";
import { kubeconfigPath, kubectl, newNamespace } from "../support/cluster.ts";
import { temporaryDirectory } from "../support/controlplane/directory.ts";
import { freePorts } from "../support/controlplane/ports.ts";
import { eventually } from "../support/eventually.ts";
import { DEPLOY } from "./health.ts";
import { argocdCrds, argocdProgram, argocdSettings } from "./program.ts";

export interface ArgoApplication extends KubeObject {
  spec: ApplicationSpec;
  operation?: object;
  status?: {
    health?: { status: string; message?: string };
    sync?: { status: string; revision?: string };
    reconciledAt?: string;
    history?: { revision: string }[];
    operationState?: { phase: string; message?: string; startedAt?: string; finishedAt?: string };
    conditions?: { type: string; message: string }[];
    resources?: {
      kind: string;
      name: string;
      namespace?: string;
      status?: string;
      health?: { status: string; message?: string };
    }[];
  };
}

export interface ApplicationSpec {
  project: string;
  source: { repoURL: string; path: string; targetRevision: string; [more: string]: unknown };
  destination: { server: string; namespace?: string };
  syncPolicy?: {
    automated?: { prune?: boolean; selfHeal?: boolean };
    syncOptions?: string[];
    retry?: { limit: number };
  };
}

const argo = <T extends KubeObject>(kind: string): ResourceType<T> => ({
  group: "argoproj.io",
  version: "v1alpha1",
  plural: `${kind.toLowerCase()}s`,
  kind,
  namespaced: true,
});
export const applications = argo<ArgoApplication>("Application");
export const applicationSets = argo("ApplicationSet");

/** Ignores a conflict, which means that somebody else has written the object first. */
function unlessConflict(error: unknown): void {
  if (!(error instanceof KubeError) || error.reason !== "Conflict") throw error;
}

/**
 * How long a test waits for an Application before it asks Argo CD for another comparison. Argo CD does not notice when only the
 * message of an object's health changes: it shows the former message until its next resync.
 */
const RESYNC_AFTER_MS = 15_000;

/** The cluster to which Argo CD deploys. It is the cluster that Argo CD itself runs in. */
export const IN_CLUSTER = "https://kubernetes.default.svc";

/**
 * A real Argo CD on the run's API server: application controller, ApplicationSet controller and repository server, started as
 * plain processes, with a Git repository of its own. Tests use it through the objects Application and ApplicationSet.
 */
export class ArgoCd {
  readonly client = KubeClient.load({
    kubeconfig: kubeconfigPath(),
    userAgent: "test-argocd",
    log: silentLog,
  });
  readonly namespace: string;
  readonly #folder: string;
  readonly #children: ReturnType<typeof spawnTied>[] = [];

  readonly #waveDelaySeconds: number;

  private constructor(namespace: string, folder: string, waveDelaySeconds: number) {
    this.namespace = namespace;
    this.#folder = folder;
    this.#waveDelaySeconds = waveDelaySeconds;
  }

  /**
   * `waveDelaySeconds`: for how long a sync waits between two waves. Argo CD's own default is 2. Without a delay, a sync can judge
   * the health of an object by its state before the sync changed it, because the watch has not reported the change yet.
   */
  static async start({ waveDelaySeconds = 0 } = {}): Promise<ArgoCd> {
    const [namespace, folder] = [await newNamespace("argocd"), await temporaryDirectory("sms-argocd")];
    const argocd = new ArgoCd(namespace, folder, waveDelaySeconds);
    await argocd.#install();
    await argocd.#git("init", "--quiet", "--initial-branch=main");
    await argocd.#run();
    return argocd;
  }

  async stop(): Promise<void> {
    for (const child of this.#children.splice(0).reverse()) await stopChild(child, "SIGTERM", 2_000);
    await this.client.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The URL of the Git repository, in the form that an Application needs. */
  get repoUrl(): string {
    return `file://${this.#repository}`;
  }

  /** Commits the given files as the whole content of the repository. */
  async commit(files: Record<string, string>): Promise<void> {
    await this.#git("rm", "-r", "--quiet", "--ignore-unmatch", ".");
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.#repository, path)), { recursive: true });
      await writeFile(join(this.#repository, path), text);
    }
    await this.#git("add", "--all");
    const author = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    await this.#git(...author, "commit", "--quiet", "--allow-empty", "--message", "test");
  }

  async apply(object: KubeObject, type: ResourceType<KubeObject> = applications): Promise<void> {
    const namespaced = { ...object, metadata: { ...object.metadata, namespace: this.namespace } };
    await this.client.apply(type, namespaced, { fieldManager: "test-user", force: true });
  }

  /** Creates an Application for a folder of the repository. It syncs automatically unless the options say otherwise. */
  async app(
    name: string,
    {
      path,
      namespace,
      ...more
    }: { path: string; namespace: string } & ApplicationSpec["syncPolicy"] & {
        finalizer?: string;
        annotations?: Record<string, string>;
      },
  ): Promise<void> {
    const { finalizer = "resources-finalizer.argocd.argoproj.io", annotations, ...syncPolicy } = more;
    await this.apply({
      apiVersion: "argoproj.io/v1alpha1",
      kind: "Application",
      metadata: { name, finalizers: [finalizer], ...(annotations === undefined ? {} : { annotations }) },
      spec: {
        project: "default",
        source: { repoURL: this.repoUrl, path, targetRevision: "main" },
        destination: { server: IN_CLUSTER, namespace },
        syncPolicy: { automated: { prune: true, selfHeal: true }, ...syncPolicy },
      },
    });
  }

  async get(name: string): Promise<ArgoApplication | undefined> {
    return await this.client.get(applications, { namespace: this.namespace, name });
  }

  /** Waits until `is` returns true for the Application, and resolves with the Application. */
  async until(name: string, what: string, is: (app: ArgoApplication) => boolean): Promise<ArgoApplication> {
    let last: ArgoApplication | undefined;
    const cancel = systemClock.after(RESYNC_AFTER_MS, () => void this.#compare(name).catch(() => {}));
    try {
      return await eventually(
        `Application ${name}: ${what}`,
        async () => {
          last = await this.get(name);
          return last !== undefined && is(last) ? last : undefined;
        },
        60_000,
      );
    } catch (error) {
      const log = readFileSync(join(this.#folder, "application-controller.log"), "utf8");
      const lines = log.split("\n").filter((line) => /level=(warn|error)/.test(line));
      const objects = await this.#conditionsOf(last);
      throw new Error(
        `${(error as Error).message}; its status is ${JSON.stringify(last?.status ?? null)}\n${objects}\n${lines.slice(-5).join("\n")}`,
      );
    } finally {
      cancel();
    }
  }

  /** Asks Argo CD to compare the Application again. Its own resync, which does so every few minutes, is turned off here. */
  async #compare(name: string): Promise<void> {
    const patch = { metadata: { annotations: { "argocd.argoproj.io/refresh": "normal" } } };
    await this.client.patch(applications, { namespace: this.namespace, name }, patch);
  }

  /** The status of an Application's objects as the API server has it. Argo CD may not have seen this status yet. */
  async #conditionsOf(app: ArgoApplication | undefined): Promise<string> {
    const kinds = [workStreams, smsNumbers] as const;
    const told = (app?.status?.resources ?? []).map(async ({ kind, namespace, name }) => {
      const type = kinds.find((each) => each.kind === kind);
      if (type === undefined) return [];
      const object = await this.client.get<KubeObject>(type as ResourceType<KubeObject>, { namespace, name });
      return [`${kind} ${name}: ${JSON.stringify(object?.metadata.deletionTimestamp ?? object?.status)}`];
    });
    return (await Promise.all(told)).flat().join("\n");
  }

  /** Waits until the Application is synced to the newest commit, its sync has ended, and its health is the given one. */
  async is(name: string, health: string, sync = "Synced"): Promise<ArgoApplication> {
    const { stdout } = await this.#git("rev-parse", "HEAD");
    return await this.until(
      name,
      `${sync} and ${health}`,
      ({ status }) =>
        status?.health?.status === health &&
        status.sync?.status === sync &&
        status.sync.revision === stdout.trim() &&
        status.operationState?.phase !== "Running",
    );
  }

  /** Makes Argo CD read Git again and compare without its cache. Resolves when the comparison is done. */
  async refresh(name: string): Promise<ArgoApplication> {
    const mark = "argocd.argoproj.io/refresh";
    const patch = { metadata: { annotations: { [mark]: "hard" } } };
    await this.client.patch(applications, { namespace: this.namespace, name }, patch);
    return await this.until(name, "compared", ({ metadata }) => metadata.annotations?.[mark] === undefined);
  }

  /** Starts a sync by hand. */
  async sync(name: string): Promise<void> {
    const patch = { operation: { initiatedBy: { username: "test" }, sync: { prune: true } } };
    await this.client.patch(applications, { namespace: this.namespace, name }, patch);
  }

  /**
   * Ends the sync that is running, as `argocd app terminate-op` does. The request is repeated while that sync runs, because each
   * step of a sync writes the whole state of the sync and may overwrite the request. A sync that begins later must not be ended:
   * Argo CD would not try its commit again.
   */
  async terminate(name: string): Promise<void> {
    const look = async () => {
      const { metadata, status } = (await this.get(name))!;
      return { resourceVersion: metadata.resourceVersion, operation: status?.operationState };
    };
    const started = (await look()).operation?.startedAt;
    await eventually(
      `the sync of Application ${name} is ended`,
      async () => {
        const { resourceVersion, operation } = await look();
        if (operation?.startedAt !== started || operation?.phase === "Failed") return true;
        if (operation?.phase === "Running")
          await this.client
            .patch(
              applications,
              { namespace: this.namespace, name },
              { metadata: { resourceVersion }, status: { operationState: { phase: "Terminating" } } },
            )
            .catch(unlessConflict);
        return undefined;
      },
      60_000,
    );
  }

  async delete(name: string): Promise<void> {
    await this.client.delete(applications, { namespace: this.namespace, name });
  }

  async gone(name: string): Promise<void> {
    await eventually(
      `Application ${name} is gone`,
      async () => ((await this.get(name)) === undefined ? true : undefined),
      60_000,
    );
  }

  get #repository(): string {
    return join(this.#folder, "repository");
  }

  async #git(...args: string[]) {
    await mkdir(this.#repository, { recursive: true });
    return await promisify(execFile)("git", args, { cwd: this.#repository });
  }

  /** Creates what Argo CD needs: its kinds, its settings with our health checks in them, its Secret, and a project. */
  async #install(): Promise<void> {
    const { namespace } = this;
    const labels = { "app.kubernetes.io/part-of": "argocd" };
    await succeeded(kubectl(["apply", "--server-side", "--force-conflicts", "-k", argocdCrds()]));
    const objects = [
      parse(readFileSync(argocdSettings(), "utf8")),
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "argocd-secret", labels },
        stringData: { "server.secretkey": randomBytes(32).toString("base64") },
      },
      {
        apiVersion: "argoproj.io/v1alpha1",
        kind: "AppProject",
        metadata: { name: "default" },
        spec: {
          sourceRepos: ["*"],
          destinations: [{ server: "*", namespace: "*" }],
          clusterResourceWhitelist: [{ group: "*", kind: "*" }],
        },
      },
    ];
    const input = objects.map((object) => `${JSON.stringify(object)}\n`).join("---\n");
    await eventually("Argo CD's kinds are served", async () => {
      const { code } = await kubectl(["-n", namespace, "apply", "-f", "-"], { input });
      return code === 0 ? true : undefined;
    });
    // The health checks are installed as docs/argocd.md says. The files name the namespace argocd, which is replaced here, because a
    // test run has several Argo CDs.
    for (const name of ["argocd-cm.yaml", "examples/application-health.yaml"]) {
      const patch = readFileSync(`${DEPLOY}/${name}`, "utf8").replace(
        /namespace: argocd$/m,
        `namespace: ${namespace}`,
      );
      await succeeded(kubectl(["-n", namespace, "patch", "configmap", "argocd-cm", "--patch", patch]));
    }
  }

  async #run(): Promise<void> {
    const [redis, repo, repoMetrics, metrics, sets, setsProbe, setsHook] = await freePorts(7);
    const at = (port: number | undefined) => `127.0.0.1:${port}`;
    const own = ["--loglevel", "info", "--logformat", "text"];
    const cluster = ["--kubeconfig", kubeconfigPath(), "--namespace", this.namespace];
    // Argo CD calls this script of its image to verify the signatures of commits. The commits here are not signed, so the script does
    // nothing.
    await writeFile(join(this.#folder, "git-verify-wrapper.sh"), "#!/bin/sh\n", { mode: 0o755 });
    this.#start("redis", ["--address", at(redis)]);
    await listens(redis!);
    this.#start("repo-server", [
      ...own,
      ...["--address", "127.0.0.1", "--port", String(repo), "--disable-tls", "--client-ca-path", ""],
      ...["--redis", at(redis)],
      ...["--metrics-address", "127.0.0.1", "--metrics-port", String(repoMetrics)],
    ]);
    await listens(repo!);
    const repoServer = ["--repo-server-plaintext"];
    this.#start("application-controller", [
      ...[...own, ...cluster, ...repoServer, "--repo-server", at(repo), "--redis", at(redis)],
      // Argo CD does not poll Git here: tests say when it reads Git.
      ...["--metrics-port", String(metrics), "--app-resync", "0", "--persist-resource-health"],
      ...["--status-processors", "4", "--operation-processors", "4"],
    ]);
    this.#start("applicationset-controller", [
      ...[...own, ...cluster, ...repoServer, "--argocd-repo-server", at(repo)],
      ...["--metrics-addr", at(sets), "--probe-addr", at(setsProbe), "--webhook-addr", at(setsHook)],
      "--enable-leader-election=false",
    ]);
  }

  #start(name: string, args: string[]): void {
    const file = openSync(join(this.#folder, `${name}.log`), "a", 0o600);
    const child = spawnTied(argocdProgram(), [name, ...args], {
      output: file,
      cwd: this.#folder,
      env: {
        // The repository server renders charts with the Helm in PATH.
        PATH: [this.#folder, dirname(inject("helm")), process.env.PATH].join(delimiter),
        HOME: this.#folder,
        TMPDIR: this.#folder,
        KUBECONFIG: kubeconfigPath(),
        ARGOCD_FAKE_IN_CLUSTER: "true",
        ARGOCD_CONTROLLER_REPLICAS: "1",
        ARGOCD_GPG_ENABLED: "false",
        ARGOCD_ASK_PASS_SOCK: join(this.#folder, "ask-pass.sock"),
        ARGOCD_PLUGINSOCKFILEPATH: join(this.#folder, "plugins"),
        ARGOCD_SSH_DATA_PATH: this.#folder,
        ARGOCD_TLS_DATA_PATH: this.#folder,
        ARGOCD_SYNC_WAVE_DELAY: String(this.#waveDelaySeconds),
      },
    });
    closeSync(file);
    this.#children.push(child);
  }
}

async function succeeded(run: ReturnType<typeof kubectl>): Promise<void> {
  const { code, stderr } = await run;
  if (code !== 0) throw new Error(`kubectl: ${stderr}`);
}

const listens = (port: number) =>
  eventually(`port ${port} listens`, () => {
    const socket = connect(port, "127.0.0.1");
    return new Promise<true | undefined>((answer) => {
      socket.once("connect", () => answer(true)).once("error", () => answer(undefined));
    }).finally(() => socket.destroy());
  });
