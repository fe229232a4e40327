import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The folder that was asked for, or a fresh one for temporary state, readable by its owner only. */
export async function stateDirectory(given: string | undefined): Promise<string> {
  if (given === undefined) return temporaryDirectory("sms-control-plane");
  await mkdir(given, { recursive: true, mode: 0o700 });
  return given;
}

/**
 * A fresh folder with this process's id in its name. Folders of processes that no longer exist are removed first: those were killed
 * before they could clean up.
 */
export async function temporaryDirectory(prefix: string): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const owner = new RegExp(`^${prefix}-([0-9]+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner)))
      await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtemp(join(tmpdir(), `${prefix}-${process.pid}-`));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
