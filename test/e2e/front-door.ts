import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { inject } from "vitest";
import type { Mode } from "../support/spoiler.ts";
import { apply, type ClusterApi, kubectl } from "./kubectl.ts";
import { podSecurity, restrictedNamespace } from "./manifests.ts";

const PROGRAM = resolve(import.meta.dirname, "../support/spoiler.ts");
const PORT = 8080;

/** A proxy in a pod of the image under test, which alters requests on their way to the receiver. */
export class FrontDoor {
  readonly namespace = `${inject("runId")}-door`;
  readonly url = `http://door.${this.namespace}.svc:${PORT}`;
  readonly #api: ClusterApi;

  private constructor(api: ClusterApi) {
    this.#api = api;
  }

  /** Starts a proxy to the receiver at `target`. The receiver need not exist yet. */
  static async start(api: ClusterApi, target: string): Promise<FrontDoor> {
    const door = new FrontDoor(api);
    await apply(restrictedNamespace(door.namespace));
    await apply(...door.#objects(target));
    await kubectl(["-n", door.namespace, "rollout", "status", "deployment/door", "--timeout=120s"]);
    return door;
  }

  /** Sets how the proxy alters requests from now on. */
  async set(mode: Mode): Promise<void> {
    const path = `namespaces/${this.namespace}/services/door:${PORT}/proxy/_mode/${encodeURIComponent(mode)}`;
    const { status, text } = await this.#api.request(path);
    if (status !== 200)
      throw new Error(`the front door answered ${status} to "${mode}": ${text.slice(0, 200)}`);
  }

  async stop(): Promise<void> {
    await kubectl(["delete", "namespace", this.namespace, "--ignore-not-found", "--timeout=120s"]);
  }

  #objects(target: string): object[] {
    const { namespace } = this;
    const labels = { app: "door" };
    const env = { SPOILER_PORT: String(PORT), SPOILER_TARGET: target };
    const container = {
      name: "door",
      image: inject("image"),
      command: ["/nodejs/bin/node", "/door/door.mts"],
      env: Object.entries(env).map(([name, value]) => ({ name, value })),
      ports: [{ containerPort: PORT }],
      readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 },
      volumeMounts: [{ name: "program", mountPath: "/door" }],
      securityContext: podSecurity.container,
    };
    return [
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "program", namespace },
        data: { "door.mts": readFileSync(PROGRAM, "utf8") },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "door", namespace },
        spec: { selector: labels, ports: [{ port: PORT }] },
      },
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "door", namespace },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              ...podSecurity.pod(),
              containers: [container],
              volumes: [{ name: "program", configMap: { name: "program" } }],
            },
          },
        },
      },
    ];
  }
}
