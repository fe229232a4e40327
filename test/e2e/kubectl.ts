import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Agent, request } from "undici";
import { inject } from "vitest";
import { spawnTied, stopChild } from "../../src/child.ts";

export interface ProgramOutcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs kubectl as a user would. Throws its output when it fails. */
export async function kubectl(args: readonly string[], input?: unknown): Promise<string> {
  const result = await tryKubectl(args, input);
  if (result.code !== 0)
    throw new Error(`kubectl ${args.join(" ")}: ${result.stderr.trim() || result.stdout.trim()}`);
  return result.stdout;
}

export const tryKubectl = (args: readonly string[], input?: unknown) => run("kubectl", args, input);

/** Runs Helm with values given as an object. Throws its output when it fails. */
export async function helm(args: readonly string[], values?: object): Promise<string> {
  const result = await tryHelm(args, values);
  if (result.code !== 0)
    throw new Error(`helm ${args.join(" ")}: ${result.stderr.trim() || result.stdout.trim()}`);
  return result.stdout;
}

export const tryHelm = (args: readonly string[], values?: object) => run(inject("helm"), args, values);

/** Lists objects with `kubectl get`. The arguments choose the kind, the namespace and the selector. */
export async function list<T>(...args: string[]): Promise<T[]> {
  return (JSON.parse(await kubectl(["get", ...args, "-o", "json"])) as { items: T[] }).items;
}

export const apply = (...objects: object[]) =>
  kubectl(["apply", "--server-side", "-f", "-"], { apiVersion: "v1", kind: "List", items: objects });

/** Runs a program. `input` goes to its standard input: a text as it is, and an object as JSON. */
function run(program: string, args: readonly string[], input: unknown): Promise<ProgramOutcome> {
  const child = spawn(program, args, {
    stdio: "pipe",
    env: { ...process.env, KUBECONFIG: inject("kubeconfig") },
  });
  const text = input === undefined ? "" : typeof input === "string" ? input : JSON.stringify(input);
  child.stdin.on("error", () => undefined).end(text);
  const result = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (part: string) => {
      result[name] += part;
    });
  return new Promise((resolve, reject) =>
    child.once("error", reject).once("close", (code) => resolve({ code: code ?? 1, ...result })),
  );
}

/** Starts a kubectl that keeps running (`proxy`, `port-forward`), and resolves with the local port that it prints. */
export async function listening(args: readonly string[]): Promise<{ port: number; stop(): Promise<void> }> {
  const child = spawnTied("kubectl", args, { env: { ...process.env, KUBECONFIG: inject("kubeconfig") } });
  child.stderr?.resume();
  for await (const line of createInterface({ input: child.stdout! })) {
    const port = /127\.0\.0\.1:([0-9]+)/.exec(line)?.[1];
    if (port === undefined) continue;
    child.stdout?.resume();
    return { port: Number(port), stop: () => stopChild(child, "SIGTERM", 5000) };
  }
  throw new Error(`kubectl ${args.join(" ")} ended without a port`);
}

/** Sends requests to the API server through `kubectl proxy`. The proxy also reaches pods and Services inside the cluster. */
export class ClusterApi {
  readonly #proxy: Awaited<ReturnType<typeof listening>>;
  readonly #connections = new Agent({ connections: 128 });

  private constructor(proxy: Awaited<ReturnType<typeof listening>>) {
    this.#proxy = proxy;
  }

  static async open(): Promise<ClusterApi> {
    return new ClusterApi(await listening(["proxy", "--port=0"]));
  }

  async request(path: string, method: "GET" | "POST" | "DELETE" = "GET", body?: unknown) {
    const response = await request(`http://127.0.0.1:${this.#proxy.port}/api/v1/${path}`, {
      method,
      dispatcher: this.#connections,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.statusCode, text: await response.body.text() };
  }

  async close(): Promise<void> {
    await this.#connections.close();
    await this.#proxy.stop();
  }
}
