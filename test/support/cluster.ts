import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { CoreV1Api } from "@kubernetes/client-node";
import { inject } from "vitest";
import { kubeConfig, RUN_LABEL } from "./crds.ts";

/** The path of an administrator's kubeconfig for the control plane that all test files of the run share. */
export const kubeconfigPath = (): string => inject("kubeconfig");

let shared: CoreV1Api | undefined;
function sharedCore(): CoreV1Api {
  shared ??= kubeConfig(kubeconfigPath()).makeApiClient(CoreV1Api);
  return shared;
}

/**
 * Creates a namespace for one test. `prefix` shows a person who looks into the cluster which test the namespace is for. With `kubeconfig`
 * the namespace is created in the cluster of that kubeconfig, and not in the cluster that all test files share.
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

/** Runs the real kubectl as a user would: `kubectl(["apply", "-f", "-"], { input })`. A non-zero exit code is returned, not thrown. */
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
      reject(new Error("this control plane has no kubectl, and there is none in PATH", { cause })),
    );
    child.once("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}
