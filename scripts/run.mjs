// Runs a command with the Node and the packages that package-lock.json pins, and installs them first when they are missing. This file
// is plain JavaScript for Node 20 and newer, so that every npm script works as the first command after `git clone`.
//   node scripts/run.mjs FILE.ts [ARGS…]      runs a TypeScript file with Node 24
//   node scripts/run.mjs vitest|biome|tsc …   runs a tool from node_modules with Node 24
//   node scripts/run.mjs --prepare            only installs what is missing
// The command runs in the repository's folder, or in SMSCHANNEL_CWD, so that a user can give paths relative to the folder that they are in.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const at = (...parts) => join(root, ...parts);
const tools = {
  vitest: "node_modules/vitest/vitest.mjs",
  biome: "node_modules/@biomejs/biome/bin/biome",
  tsc: "node_modules/typescript/bin/tsc",
};

function prepare() {
  if (packagesAreThere() && existsSync(nodePath())) return;
  process.stderr.write("installing the packages of package-lock.json (once) …\n");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", process.stderr, process.stderr],
  });
  if (npm.status !== 0) {
    process.stderr.write("npm ci failed, and nothing was started. npm's output is above.\n");
    process.exit(npm.status ?? 1);
  }
  if (!existsSync(nodePath())) {
    process.stderr.write(
      "npm installed no Node 24: its install scripts seem to be blocked. package.json allows them under allowScripts; check `npm config get ignore-scripts`.\n",
    );
    process.exit(1);
  }
}

/**
 * At the end of an installation npm writes a list of the packages that it installed. The installation is complete when that list has the
 * version and the hash of every package in the lock file. Optional packages may be missing, because they may be for another system.
 */
function packagesAreThere() {
  const installed = packagesIn("node_modules", ".package-lock.json");
  const wanted = packagesIn("package-lock.json");
  return (
    installed !== undefined &&
    Object.entries(wanted).every(([folder, { version, integrity, optional, peer, link }]) => {
      const there = installed[folder];
      if (there === undefined) return folder === "" || optional === true || peer === true || link === true;
      return there.version === version && there.integrity === integrity;
    })
  );
}

function packagesIn(...path) {
  return existsSync(at(...path)) ? JSON.parse(readFileSync(at(...path), "utf8")).packages : undefined;
}

/** The path of the Node 24 that npm installed, whichever Node runs this script. */
function nodePath() {
  return at("node_modules", "node", "bin", "node");
}

prepare();
const [first, ...rest] = process.argv.slice(2);
if (first === undefined || first === "--prepare") process.exit(0);

const { SMSCHANNEL_CWD: cwd = root, ...env } = process.env;
const child = spawn(
  nodePath(),
  ["--disable-warning=ExperimentalWarning", resolve(root, tools[first] ?? first), ...rest],
  { cwd, stdio: "inherit", env: { ...env, PATH: `${at("node_modules", ".bin")}:${env.PATH}` } },
);
// A supervisor signals only this process, so the signal is passed on, and the child decides when to end. A terminal signals the whole
// process group, so the child gets the signal twice: src/main/signals.ts counts two signals at about the same time as one.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  process.stderr.write(`${first} cannot be started: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
