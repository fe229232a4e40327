import type { TestProject } from "vitest/node";
import { helmProgram } from "./tools.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of Helm. */
    helm: string;
  }
}

/** Built before any test runs, so that minutes of compiling count as none of them. */
export default async function setup(project: TestProject) {
  project.provide("helm", await helmProgram());
}
