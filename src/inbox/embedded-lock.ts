import { readFile, readlink, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log.ts";

/** As long as a server that lost its parent may take for its own fast shutdown. */
const WAIT_MS = 15_000;

/**
 * PostgreSQL refuses to start while `postmaster.pid` names a living process, whatever that process is: after a restarted
 * container the old number is easily some other program's. So look who it is: a server that is just ending is waited for,
 * one that stays is an error, and a file that names somebody else, or nobody, goes.
 */
export async function releaseDataDirectory(data: string, log: Log, waitMs = WAIT_MS): Promise<void> {
  const file = join(data, "postmaster.pid");
  const deadline = performance.now() + waitMs;
  for (;;) {
    const pid = Number((await readFile(file, "utf8").catch(() => "")).split("\n")[0]);
    if (!(pid > 0)) return;
    if (!(await isServerOf(pid, data))) break;
    if (performance.now() > deadline)
      throw new Error(`the data directory ${data} is in use by the PostgreSQL server with process id ${pid}`);
    await sleep(100);
  }
  log.warn({ data }, "removing the lock file of a postgresql that ended without cleaning up");
  await rm(file, { force: true });
}

/** A server stands in its data directory. Where the system does not tell (no /proc), a living process is taken for one. */
async function isServerOf(pid: number, data: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  if (process.platform !== "linux") return true;
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  return folder === undefined ? false : folder === resolve(data);
}
