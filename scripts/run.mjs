// Runs a command of this project with the Node and the packages that it pins, installing them first where they are
// missing. Plain JavaScript for Node 20 and newer, so that every npm script works as the first command after `git clone`.
//   node scripts/run.mjs FILE.ts [ARGS…]      a TypeScript file, by Node 24
//   node scripts/run.mjs vitest|biome|tsc …   a tool from node_modules, by Node 24
//   node scripts/run.mjs --prepare            only install what is missing
// The command runs in the project's folder, or in SMSCHANNEL_CWD: files that a person names are relative to where they are.
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
    process.stderr.write("npm ci failed; nothing was started. What npm said is above.\n");
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
 * npm writes at the end of an installation what it installed: whoever called it, it is not to be done again. A package of the lock
 * file that is not there may be one for another system.
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

/** Node 24 as npm installed it, whatever runs this. */
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
// A supervisor signals only us, so pass it on and let the child decide when to end. A terminal signals the whole group: the child
// then gets two signals for one wish, which src/main/signals.ts knows.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  process.stderr.write(`${first} cannot be started: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
