import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { hasEnded, spawnTied, stopChild } from "../src/child.ts";
import { NotSeen, waitFor } from "./expect.ts";

const MAIN = resolve(import.meta.dirname, "../src/main/smschannel.ts");
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;

export interface ProgramOptions {
  /** The subcommand of `smschannel` and its flags. */
  readonly args: readonly string[];
  /**
   * The settings of the program. From the environment of this process, the program gets only PATH, HOME and TMPDIR, so that no other
   * setting leaks in.
   */
  readonly env: Readonly<Record<string, string>>;
  /** The folder of the program's log file. */
  readonly dir: string;
}

export interface DemoProgram {
  readonly logFile: string;
  stop(): Promise<void>;
}

/** Starts `smschannel …` as a separate process, as in a cluster. */
function spawnProgram({ args, env, dir }: ProgramOptions) {
  const logFile = join(dir, `${args[0]}.log`);
  const log = openSync(logFile, "a", 0o600);
  const child = spawnTied(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR, ...env },
    output: log,
    whenOrphaned: "TERM",
  });
  closeSync(log);
  return { child, logFile };
}

/** Runs a command that ends by itself. Throws NotSeen with the last lines of its log when the command fails. */
export async function runProgram(options: ProgramOptions, signal: AbortSignal): Promise<void> {
  const { child, logFile } = spawnProgram(options);
  const stop = () => void stopChild(child, "SIGTERM", STOP_WITHIN_MS);
  signal.addEventListener("abort", stop);
  const code = await new Promise<number | null>((settle, fail) =>
    child.once("error", fail).once("exit", settle),
  );
  signal.removeEventListener("abort", stop);
  if (code !== 0)
    throw new NotSeen(`smschannel ${options.args[0]} ended with ${code}:\n${lastLines(logFile)}`);
}

/** Starts a command that keeps running, and waits until its /readyz answers 200. */
export async function startProgram(
  options: ProgramOptions & { readonly metricsPort: number },
  signal: AbortSignal,
): Promise<DemoProgram> {
  const { child, logFile } = spawnProgram({
    ...options,
    env: { ...options.env, METRICS_PORT: String(options.metricsPort) },
  });
  const stop = () => stopChild(child, "SIGTERM", STOP_WITHIN_MS);
  const name = `smschannel ${options.args[0]}`;
  let answer = "no answer on its probe port";
  try {
    await waitFor({
      expected: `${name} to be ready`,
      withinMs: READY_WITHIN_MS,
      signal,
      seen: () => `${answer}; the end of its log:\n${lastLines(logFile)}`,
      async look() {
        if (hasEnded(child)) throw new NotSeen(`${name} ended at once:\n${lastLines(logFile)}`);
        const response = await fetch(`http://127.0.0.1:${options.metricsPort}/readyz`, { signal }).catch(
          () => {},
        );
        if (response === undefined) return undefined;
        answer = (await response.text()).trim();
        return response.ok ? true : undefined;
      },
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { logFile, stop };
}

export function lastLines(file: string, count = 8): string {
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n") : "";
}
