import { type ChildProcess, spawn } from "node:child_process";

export interface ChildOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Run as this user instead (only root can). */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** What the child gets when we died without stopping it. Default: KILL. */
  readonly whenOrphaned?: "KILL" | "INT" | "TERM";
  /** Where its output goes: to pipes (then they must be read), or both to one open file. Default: pipes. */
  readonly output?: "pipe" | "inherit" | number;
}

/**
 * The shell starts a watcher, then becomes the program itself, so that the pid is the program's. The watcher reads a pipe
 * whose other end only we hold: a line means that all is well, the end of the file that we are gone, however we went
 * (SIGKILL included, which no exit handler sees). It is started twice removed, so that it is no child of the program:
 * PostgreSQL takes an unknown child that dies for a crash. PR_SET_PDEATHSIG would need a helper, and is Linux only.
 */
const WATCHED = `exec 3<&0 </dev/null
( ( read -r _ <&3 || kill -"$0" $$ ) </dev/null >/dev/null 2>&1 & )
exec 3<&-
exec "$@"`;

/**
 * Starts a program that cannot outlive this process. It leads a process group of its own: Ctrl-C in a terminal reaches us
 * alone, and we end our children in the order that suits them.
 */
export function spawnTied(
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): ChildProcess {
  const output = options.output ?? "pipe";
  const child = spawn("/bin/sh", ["-c", WATCHED, options.whenOrphaned ?? "KILL", command, ...args], {
    stdio: ["pipe", output, output],
    detached: true,
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.user ?? {}),
  });
  // The pipe may break at any time; that is what it is for.
  child.stdin?.on("error", () => undefined);
  // Its pid may soon be another program's: tell the watcher to go without a kill.
  child.once("exit", () => child.stdin?.end("gone\n"));
  return child;
}

/** From now on the child no longer keeps an otherwise finished process alive. */
export function background(child: ChildProcess): void {
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr])
    (stream as { unref?: () => void } | null)?.unref?.();
}

export const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

/** Resolves when the child has ended, or could not be started. */
export function ended(child: ChildProcess): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
}

/** Asks the child to end and waits; after `graceMs` it is killed. May be called twice. */
export async function stopChild(child: ChildProcess, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return;
  child.ref();
  const gone = ended(child);
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await gone;
  clearTimeout(timer);
}
