import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parse } from "yaml";
import { argocdProgram } from "./program.ts";

export interface ArgoHealth {
  status?: string;
  message?: string;
  /** The message that Argo CD 3.6 and newer show for an object that is being deleted. */
  deletionMessage?: string;
}

export interface Question {
  script: string;
  object: object;
  openLibs?: boolean;
}

export interface HealthAnswer {
  /** The health that the script returned. */
  returned?: ArgoHealth;
  /** The health that Argo CD shows, and that a sync wave waits for. */
  shown?: ArgoHealth;
  error?: string;
}

export const DEPLOY = resolve(import.meta.dirname, "../../deploy/argocd");

/** The health check that all kinds share. */
export const healthScript = (): Promise<string> => readFile(`${DEPLOY}/health.lua`, "utf8");

/** Runs health checks with Argo CD's own Lua, and returns one answer for each question. */
export async function healthOf(questions: readonly Question[]): Promise<HealthAnswer[]> {
  const child = spawn(argocdProgram(), ["health"], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise((settle, fail) => child.once("error", fail).once("close", settle));
  if (code !== 0) throw new Error(`argocd health ended with ${code}`);
  return output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as HealthAnswer);
}

/** One row of a `health_test.yaml`, in the format of Argo CD's repository. */
export interface HealthTest {
  healthStatus: ArgoHealth;
  inputPath: string;
}

export const folderOf = (kind: string) => `${DEPLOY}/resource_customizations/smschannel.dev/${kind}`;

export async function healthTests(kind: string): Promise<HealthTest[]> {
  const { tests } = parse(await readFile(`${folderOf(kind)}/health_test.yaml`, "utf8")) as {
    tests: HealthTest[];
  };
  return tests;
}
