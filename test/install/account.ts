import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { kubeconfigPath, kubectl } from "../support/cluster.ts";

/** The access of a ServiceAccount's pod: a kubeconfig with the account's token, and without the administrator's credentials. */
export interface ServiceAccountLogin {
  readonly kubeconfig: string;
  /** Runs kubectl as this account. */
  kubectl(...args: string[]): ReturnType<typeof kubectl>;
  remove(): Promise<void>;
}

export async function accountOf(namespace: string, name: string): Promise<ServiceAccountLogin> {
  const { stdout, stderr, code } = await kubectl(["create", "token", name, "-n", namespace, "--duration=1h"]);
  if (code !== 0) throw new Error(stderr);
  const config = parse(await readFile(kubeconfigPath(), "utf8"));
  config.users = config.users.map((user: { name: string }) => ({
    name: user.name,
    user: { token: stdout.trim() },
  }));
  const kubeconfig = join(tmpdir(), `sms-account-${randomBytes(6).toString("hex")}`);
  await writeFile(kubeconfig, stringify(config), { mode: 0o600 });
  return {
    kubeconfig,
    // The account's kubeconfig comes last, because kubectl takes the last --kubeconfig that it is given.
    kubectl: (...args) => kubectl([...args, `--kubeconfig=${kubeconfig}`]),
    remove: () => rm(kubeconfig, { force: true }),
  };
}
