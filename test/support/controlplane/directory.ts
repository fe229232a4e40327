import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Makes the folder `given`, or a new temporary folder that only its owner can read. Returns its path. */
export async function stateDirectory(given: string | undefined): Promise<string> {
  if (given === undefined) return temporaryDirectory("sms-control-plane");
  await mkdir(given, { recursive: true, mode: 0o700 });
  return given;
}

/**
 * Makes a new folder with this process's id in its name. Folders of processes that no longer exist are removed first, because those
 * processes were killed before they could remove them.
 */
export async function temporaryDirectory(prefix: string): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const owner = new RegExp(`^${prefix}-([0-9]+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner)))
      await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtemp(join(tmpdir(), `${prefix}-${process.pid}-`));
}

/** Whether a process with this id exists. Signal 0 only checks that; EPERM means that the process belongs to another user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
