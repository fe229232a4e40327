import { join } from "node:path";
import { inject } from "vitest";

/** Path of the program `argocd`, Argo CD's own code; see `go/main.go`. */
export const argocdProgram = (): string => join(argocdFolder(), "argocd");

/** Path of the folder with Argo CD's CustomResourceDefinitions. */
export const argocdCrds = (): string => join(argocdFolder(), "crds");

/** Path of the settings that Argo CD comes with. */
export const argocdSettings = (): string => join(argocdFolder(), "config", "argocd-cm.yaml");

function argocdFolder(): string {
  const folder = inject("argocd");
  if (folder === "")
    throw new Error(
      "These tests run Argo CD's own code and need Go in PATH: the program is built once from Go modules (test/argocd/go), which takes some minutes. Install Go 1.26 or newer, or leave these tests out: npm test -- --project unit --project integration",
    );
  return folder;
}
