import { type ChildProcess, spawn } from "node:child_process";

export interface ChildOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Run the child as this user (only root can do so). Default: as our own user. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** The signal that the child gets when this process dies without stopping it. Default: KILL. */
  readonly whenOrphaned?: "KILL" | "INT" | "TERM";
  /** Where the child's output goes: to pipes, which must be read; to our own output; or to an open file. Default: pipes. */
  readonly output?: "pipe" | "inherit" | number;
}

/**
 * A shell script that starts a watcher and then becomes the program, so that the program has the pid that we know. The watcher
 * reads a pipe whose other end only this process holds. A line in the pipe means that the program has ended. When the pipe
 * closes without a line, this process is gone (even by SIGKILL, which no exit handler sees), and the watcher sends the
 * signal of `whenOrphaned` to the program.
 *
 * The watcher is orphaned on purpose, so that it is no child of the program: PostgreSQL treats the end of a child process
 * that it did not start as a crash.
 * PR_SET_PDEATHSIG would do the same as the watcher, but needs a helper program and exists only on Linux.
 */
const WATCHED = `exec 3<&0 </dev/null
( ( read -r _ <&3 || kill -"$0" $$ ) </dev/null >/dev/null 2>&1 & )
exec 3<&-
exec "$@"`;

/**
 * Starts a program that cannot outlive this process. The program has a process group of its own: Ctrl-C in a terminal reaches
 * only this process, which can then end its children in the right order.
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
  // The pipe that the watcher reads breaks when the child ends, which is no error.
  child.stdin?.on("error", () => undefined);
  // The pid of the ended child may soon belong to another program, so the watcher must end without killing it.
  child.once("exit", () => child.stdin?.end("gone\n"));
  return child;
}

/** Lets this process end although the child still runs: the child and its pipes no longer keep this process alive. */
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

/**
 * Sends `signal` to the child and waits until it has ended. Kills a child that still runs after `graceMs`. May be called
 * twice.
 */
export async function stopChild(child: ChildProcess, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return;
  child.ref();
  const gone = ended(child);
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  await gone;
  clearTimeout(timer);
}
