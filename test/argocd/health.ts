import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parse } from "yaml";
import { argocdProgram } from "./program.ts";

export interface ArgoHealth {
  status?: string;
  message?: string;
  /** Argo CD 3.6 and newer show this of a terminating object. */
  deletionMessage?: string;
}

export interface Question {
  script: string;
  object: object;
  openLibs?: boolean;
}

export interface HealthAnswer {
  /** What the script returned. */
  returned?: ArgoHealth;
  /** The health that Argo CD shows, and that a sync wave waits for. */
  shown?: ArgoHealth;
  error?: string;
}

export const DEPLOY = resolve(import.meta.dirname, "../../deploy/argocd");

/** The script that every kind has. */
export const healthScript = (): Promise<string> => readFile(`${DEPLOY}/health.lua`, "utf8");

/** What Argo CD's own Lua says, one answer per question. */
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

/** One row of a `health_test.yaml`, as Argo CD's repository has them. */
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
