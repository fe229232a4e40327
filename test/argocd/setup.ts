import type { TestProject } from "vitest/node";
import { progressOn } from "../support/gomodule/progress.ts";
import { builtArgocd } from "./build.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder with the program `argocd`; empty when there is no Go to build it with. */
    argocd: string;
  }
}

/** Builds Argo CD before any test runs, so that minutes of compiling neither slow other tests nor count as the time of a test. */
export default async function setup(project: TestProject) {
  project.provide("argocd", (await builtArgocd(progressOn(process.stderr))) ?? "");
}
