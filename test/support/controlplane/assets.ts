import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Programs } from "./processes.ts";

/** Finds the programs in a folder that `setup-envtest` made. Throws when etcd or kube-apiserver is missing. */
export function programsOfAssets(folder: string): Programs {
  const find = (name: string) => (existsSync(join(folder, name)) ? join(folder, name) : undefined);
  const etcd = find("etcd");
  const apiServer = find("kube-apiserver");
  if (etcd === undefined || apiServer === undefined)
    throw new Error(`KUBEBUILDER_ASSETS=${folder}: there is no etcd or no kube-apiserver in that folder`);
  return { etcd, apiServer, controllerManager: find("kube-controller-manager"), kubectl: find("kubectl") };
}
