import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { spawnTied } from "../../../src/child.ts";

const PROGRAM = fileURLToPath(new URL("../../../src/main/smschannel.ts", import.meta.url));

export interface ProgramSettings {
  kubeconfig: string;
  namespace: string;
  instance: string;
  watchNamespaces: readonly string[];
  twilioUrl: string;
}

/** Starts the real program as a separate process. From the environment of this process it gets only PATH. */
function startProgram(
  args: readonly string[],
  { kubeconfig, namespace, instance, watchNamespaces, twilioUrl }: ProgramSettings,
  env: Record<string, string> = {},
): ChildProcess {
  return spawnTied(process.execPath, [PROGRAM, ...args], {
    env: {
      PATH: process.env.PATH,
      KUBECONFIG: kubeconfig,
      OPERATOR_NAMESPACE: namespace,
      INSTANCE: instance,
      WATCH_NAMESPACES: watchNamespaces.join(","),
      TWILIO_BASE_URL: twilioUrl,
      ...env,
    },
  });
}

/** Starts `smschannel controller`. `lines` fills with the lines of its log. */
export function startController(
  settings: ProgramSettings,
  publicUrl: string,
): { child: ChildProcess; lines: string[] } {
  const child = startProgram(["controller"], settings, {
    PUBLIC_URL: publicUrl,
    ALLOW_INSECURE_PUBLIC_URL: "true",
    METRICS_PORT: "0",
    LOG_LEVEL: "debug",
  });
  const lines: string[] = [];
  for (const stream of [child.stdout!, child.stderr!])
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  return { child, lines };
}

/** Starts `smschannel release`, as a person or a Job runs it. A test can read the output of the returned process. */
export const startRelease = (settings: ProgramSettings, args: readonly string[]): ChildProcess =>
  startProgram(["release", ...args], settings);

/** Waits for the program's end. Resolves with its exit code and with its output on both streams. */
export async function outcomeOf(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  let output = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output };
}
