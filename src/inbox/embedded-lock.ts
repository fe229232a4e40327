import { readFile, readlink, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log.ts";

/** How long we wait for another server in the data directory to shut down. A server whose parent process died may need this long. */
const WAIT_MS = 15_000;

/**
 * Makes sure that a server can start in this data directory. PostgreSQL refuses to start while `postmaster.pid` names a living process,
 * even when the process is another program, as easily happens after a container was restarted. So we check the process. We wait for a
 * server that is ending, and throw when it still runs after `waitMs`. We remove a `postmaster.pid` that names another program or no living
 * process.
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
  log.warn({ data }, "removing the lock file of a postgresql that did not clean up");
  await rm(file, { force: true });
}

/**
 * True when the process is the server of this data directory: a server has its data directory as working directory. On systems without
 * /proc, every living process counts as the server.
 */
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
