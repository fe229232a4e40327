import { readFile, readlink, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log.ts";

/** A server whose parent died needs up to this long for its shutdown. */
const WAIT_MS = 15_000;

/**
 * Makes sure that a server can start in this data directory. PostgreSQL refuses to while `postmaster.pid` names a living process,
 * even
 * if that is another program, as easily happens after a container was restarted. So we look what the process is: we wait for a server
 * that is ending, throw when one stays, and remove a file that names another program or none.
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

/** A server's working directory is its data directory. On systems without /proc every living process counts as a server. */
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
