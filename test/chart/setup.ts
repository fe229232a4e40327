import type { TestProject } from "vitest/node";
import { helmProgram } from "./tools.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of Helm. */
    helm: string;
  }
}

/** Builds Helm before any test runs, so that minutes of compiling do not count as the time of a test. */
export default async function setup(project: TestProject) {
  project.provide("helm", await helmProgram());
}
