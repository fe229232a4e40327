import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, open, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnTied } from "../../../src/child.ts";
import { isAlive } from "../controlplane/directory.ts";
import type { BuildProgress } from "./progress.ts";

/** A program for tests that is built from Go modules. go.mod and go.sum pin the modules, and only the Go module proxy is needed. */
export interface GoProgram {
  /** The first part of the folder's name in the cache. The second part is a hash of the module. */
  readonly name: string;
  /** The name that is shown to a person who waits for the build: "Argo CD 3.6.1". */
  readonly what: string;
  /** The folder of the Go module. */
  readonly module: string;
  /** The files of the module in addition to go.mod and go.sum. */
  readonly sources: readonly string[];
  /** Values that are set in the program: `package.variable` → value. */
  readonly stamps: Record<string, string>;
  /** The package to build. Default: the module itself. */
  readonly package?: string;
  /** Go build tags. */
  readonly tags?: readonly string[];
  /** Other names for the same file, for a program that does something else under each name. */
  readonly links?: readonly string[];
  /** Folders of other modules that are copied next to the program. */
  readonly folders?: readonly { readonly module: string; readonly path: string }[];
}

/**
 * Returns the folder with the program. The first call builds the program; later calls return at once. The folder's name contains a hash of
 * the module. The folder appears only when it is complete, so two runs may build the program at the same time.
 */
export async function builtProgram(program: GoProgram, progress: BuildProgress): Promise<string> {
  const folder = join(cacheFolder(), `${program.name}-${await hashOf(program)}`);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const unlock = await lock(`${folder}.lock`, program, progress);
  try {
    if (!existsSync(folder)) await build(program, folder, progress);
  } finally {
    await unlock();
  }
  return folder;
}

/** Whether a `go` program answers. Nothing can be built without Go. */
export function hasGo(): Promise<boolean> {
  const child = spawn("go", ["version"], { stdio: "ignore" });
  return new Promise((answer) =>
    child.once("error", () => answer(false)).once("exit", (code) => answer(code === 0)),
  );
}

/** The version of a module that go.mod pins. */
export async function pinnedVersion(folder: string, module: string): Promise<string> {
  const text = await readFile(join(folder, "go.mod"), "utf8");
  const line = text.split("\n").find((each) => each.trim().startsWith(`${module} v`));
  const version = line?.trim().split(" ")[1];
  if (version === undefined) throw new Error(`${folder}/go.mod does not name a version of ${module}`);
  return version;
}

function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "sms-channel-operator");
}

async function hashOf(program: GoProgram): Promise<string> {
  const { module, sources, folders = [] } = program;
  const hash = createHash("sha256").update(`${process.platform} ${process.arch} ${flags(program).join(" ")}`);
  for (const { path } of folders) hash.update(path);
  for (const name of ["go.mod", "go.sum", ...sources]) hash.update(await readFile(join(module, name)));
  return hash.digest("hex").slice(0, 16);
}

async function build(program: GoProgram, folder: string, progress: BuildProgress): Promise<void> {
  const { module, what, name, package: main = ".", links = [], folders = [] } = program;
  const draft = `${folder}.${process.pid}.partial`;
  await removeDrafts(folder, name);
  await mkdir(draft);
  try {
    progress.say(`building ${what} from Go modules, once; this takes some minutes`);
    await go(module, ["mod", "download", "-x"], (_, count) =>
      progress.say(`looking for the modules: ${count} requests`),
    );
    // Counts the packages that are not in Go's cache: `go build -v` compiles these packages, and prints the name of each.
    let total = 0;
    const stale = ["list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"];
    await go(module, [...stale, ...settings(program), main], (line) => {
      if (line !== "") total++;
    });
    await go(module, ["build", "-v", ...flags(program), "-o", join(draft, name), main], (_, done) =>
      progress.say(
        done < total ? `compiling: ${done} of ${total} packages` : "linking, the last and longest step",
      ),
    );
    for (const link of links) await symlink(name, join(draft, link));
    for (const each of folders) {
      const lines: string[] = [];
      await go(module, ["list", "-m", "-f", "{{.Dir}}", each.module], (line) => lines.push(line));
      await copyFiles(join(lines[0] ?? "", each.path), join(draft, basename(each.path)));
    }
    await rename(draft, folder);
    progress.say(`built: ${folder}`);
  } finally {
    await rm(draft, { recursive: true, force: true });
    progress.end();
  }
}

/** Copies a folder file by file. Folders in Go's cache are read-only, and a recursive copy of them would be read-only, too. */
async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name));
}

/** The flags of a release build: no debug information, and the version that the program reports. */
function flags(program: GoProgram): string[] {
  const set = Object.entries(program.stamps).map(([name, value]) => `-X ${name}=${value}`);
  return [...settings(program), "-buildvcs=false", `-ldflags=-s -w ${set.join(" ")}`];
}

/** The settings that decide which packages are compiled, and how. */
const settings = ({ tags = [] }: GoProgram) => ["-trimpath", ...(tags.length > 0 ? [`-tags=${tags}`] : [])];

/** Runs `go` in the module, and passes each line of its output with the line's number to `onLine`. An error contains the last lines. */
async function go(
  module: string,
  args: string[],
  onLine: (line: string, count: number) => void,
): Promise<void> {
  const child = spawnTied("go", args, {
    cwd: module,
    whenOrphaned: "INT",
    // Debian's Go is often older than a module requires. GOTOOLCHAIN lets it fetch the required version, unless the user has set
    // GOTOOLCHAIN.
    env: {
      ...process.env,
      CGO_ENABLED: "0",
      GOFLAGS: "-mod=readonly",
      GOWORK: "off",
      GOTOOLCHAIN: process.env.GOTOOLCHAIN ?? "auto",
    },
  });
  const last: string[] = [];
  let count = 0;
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      if (last.push(line) > 15) last.shift();
      onLine(line, ++count);
    });
  }
  const code = await new Promise<number | null>((settle, fail) =>
    child.once("error", fail).once("close", settle),
  );
  if (code !== 0) throw new Error(`go ${args[0]} failed:\n${last.join("\n")}`);
}

/** Removes unfinished builds of this program only, because another program may be under construction. */
async function removeDrafts(folder: string, name: string): Promise<void> {
  const parent = dirname(folder);
  for (const entry of await readdir(parent))
    if (entry.startsWith(`${name}-`) && entry.endsWith(".partial"))
      await rm(join(parent, entry), { recursive: true, force: true });
}

/**
 * Allows one build at a time, because a second build would only slow down the first. The lock file contains the process id of its holder,
 * which touches the file regularly. A holder that no longer exists, or has not touched the file for a minute, was killed. (Its process id
 * is unknown here if it runs in another container.) Even if two processes held the lock, only one of them could rename its finished folder
 * to the final name.
 */
async function lock(
  path: string,
  { what }: GoProgram,
  progress: BuildProgress,
): Promise<() => Promise<void>> {
  for (;;) {
    try {
      const file = await open(path, "wx");
      await file.write(String(process.pid));
      const beat = setInterval(() => void file.utimes(new Date(), new Date()).catch(() => undefined), 10_000);
      beat.unref();
      return async () => {
        clearInterval(beat);
        await file.close();
        await rm(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(await readFile(path, "utf8").catch(() => ""));
    const touched = (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
    const gone = holder > 0 && !isAlive(holder);
    if (gone || touched < Date.now() - 60_000) await rm(path, { force: true });
    else {
      progress.say(`waiting for ${what}, which another run is building`);
      await sleep(1_000);
    }
  }
}
