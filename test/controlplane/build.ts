import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnTied } from "../../src/child.ts";
import { isAlive } from "./directory.ts";
import type { Progress } from "./progress.ts";

const MODULE = resolve(import.meta.dirname, "go");
const SOURCES = ["go.mod", "go.sum", "main.go"];
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/**
 * The folder with etcd, kube-apiserver, kube-controller-manager and kubectl, built from Go modules where this has not been
 * done before; later calls answer at once. The folder is named by a hash of the module, appears only when it is complete,
 * and two runs that build at once come to no harm. It can serve as KUBEBUILDER_ASSETS.
 */
export async function builtPrograms(progress: Progress): Promise<string> {
  const folder = join(cacheFolder(), `control-plane-${await hashOfModule()}`);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const unlock = await lock(`${folder}.lock`, progress);
  try {
    if (!existsSync(folder)) await build(folder, progress);
  } finally {
    await unlock();
  }
  return folder;
}

/** Whether a `go` answers; without one nothing can be built. */
export function hasGo(): Promise<boolean> {
  const child = spawn("go", ["version"], { stdio: "ignore" });
  return new Promise((answer) =>
    child.once("error", () => answer(false)).once("exit", (code) => answer(code === 0)),
  );
}

function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "sms-channel-operator");
}

async function hashOfModule(): Promise<string> {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch} ${flags("").join(" ")}`);
  for (const name of SOURCES) hash.update(await readFile(join(MODULE, name)));
  return hash.digest("hex").slice(0, 16);
}

async function build(folder: string, progress: Progress): Promise<void> {
  const draft = `${folder}.${process.pid}.partial`;
  await removeDrafts(folder);
  await mkdir(draft);
  try {
    const version = await kubernetesVersion();
    progress.say(
      `building a Kubernetes ${version} control plane from Go modules, once; this takes some minutes`,
    );
    await go(["mod", "download", "-x"], (_, count) =>
      progress.say(`looking for the modules: ${count} requests`),
    );
    // `go build` prints each package that it compiles, so the packages not in Go's cache are the whole of the work.
    let total = 0;
    const stale = ["list", "-deps", "-trimpath", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", "."];
    await go(stale, (line) => {
      if (line !== "") total++;
    });
    await go(["build", "-v", ...flags(version), "-o", join(draft, "control-plane"), "."], (_, done) =>
      progress.say(
        done < total ? `compiling: ${done} of ${total} packages` : "linking, the last and longest step",
      ),
    );
    for (const name of COMPONENTS) await symlink("control-plane", join(draft, name));
    await rename(draft, folder);
    progress.say(`built: ${folder}`);
  } finally {
    await rm(draft, { recursive: true, force: true });
    progress.end();
  }
}

/** As the project builds its releases: no debug information, and the version that /version answers. */
function flags(version: string): string[] {
  const [major, minor] = version.replace("v", "").split(".");
  const set = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const stamps = Object.entries(set).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  return ["-trimpath", "-buildvcs=false", `-ldflags=-s -w ${stamps.join(" ")}`];
}

async function kubernetesVersion(): Promise<string> {
  const found = /k8s\.io\/kubernetes (v[0-9.]+)/.exec(await readFile(join(MODULE, "go.mod"), "utf8"));
  if (found?.[1] === undefined) throw new Error("go.mod does not name a version of k8s.io/kubernetes");
  return found[1];
}

/** Runs `go` in the module; each line of its output is handed on with its number. Its last lines are the error's text. */
async function go(args: string[], onLine: (line: string, count: number) => void): Promise<void> {
  const child = spawnTied("go", args, {
    cwd: MODULE,
    whenOrphaned: "INT",
    // Debian's Go is often older than the one that Kubernetes asks for: let it fetch that one, unless told otherwise.
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

async function removeDrafts(folder: string): Promise<void> {
  const parent = dirname(folder);
  for (const name of await readdir(parent))
    if (name.endsWith(".partial")) await rm(join(parent, name), { recursive: true, force: true });
}

/**
 * One build at a time: a second would only share the processor. The file names its holder's process, and the holder
 * touches it: one that is gone, or has not touched it for a minute (in another container), was killed. Should two ever
 * hold it, the rename above still lets one win.
 */
async function lock(path: string, progress: Progress): Promise<() => Promise<void>> {
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
      progress.say("waiting for the control plane that another run is building");
      await sleep(1_000);
    }
  }
}
