import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { CoreV1Api } from "@kubernetes/client-node";
import { inject } from "vitest";
import { kubeConfig, RUN_LABEL } from "./crds.ts";

/** Path of an administrator's kubeconfig of the control plane that all files of the run share. */
export const kubeconfigPath = (): string => inject("kubeconfig");

let shared: CoreV1Api | undefined;
function sharedCore(): CoreV1Api {
  shared ??= kubeConfig(kubeconfigPath()).makeApiClient(CoreV1Api);
  return shared;
}

/**
 * Creates a namespace for one test. `prefix` shows a person who looks into the cluster what it is for. With `kubeconfig` it is created
 * in another cluster than the shared one.
 */
export async function newNamespace(prefix: string, kubeconfig?: string): Promise<string> {
  const core = kubeconfig === undefined ? sharedCore() : kubeConfig(kubeconfig).makeApiClient(CoreV1Api);
  const name = `${prefix}-${randomBytes(4).toString("hex")}`;
  await core.createNamespace({ body: { metadata: { name, labels: { [RUN_LABEL]: inject("runId") } } } });
  return name;
}

export interface KubectlResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real kubectl, as a user would type it: `kubectl(["apply", "-f", "-"], { input })`. Never throws for its exit code. */
export function kubectl(args: readonly string[], options: { input?: string } = {}): Promise<KubectlResult> {
  const program = inject("kubectl") ?? "kubectl";
  const child = spawn(program, ["--kubeconfig", kubeconfigPath(), ...args], { stdio: "pipe" });
  child.stdin.on("error", () => undefined).end(options.input ?? "");
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new Error("this control plane came without a kubectl and there is none in PATH", { cause })),
    );
    child.once("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}
