// Runs a command of this project with the Node and the packages that it pins, installing them first where they are
// missing. Plain JavaScript for Node 20 and newer, so that every npm script works as the first command after `git clone`.
//   node scripts/run.mjs FILE.ts [ARGS…]      a TypeScript file, by Node 24
//   node scripts/run.mjs vitest|biome|tsc …   a tool from node_modules, by Node 24
//   node scripts/run.mjs --prepare            only install what is missing
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const at = (...parts) => join(root, ...parts);
const tools = {
  vitest: "node_modules/vitest/vitest.mjs",
  biome: "node_modules/@biomejs/biome/bin/biome",
  tsc: "node_modules/typescript/bin/tsc",
};

/** The packages are those of the lock file: a mark inside node_modules says for which lock file it was made. */
function prepare() {
  const mark = at("node_modules", ".prepared");
  const want = createHash("sha256")
    .update(readFileSync(at("package-lock.json")))
    .digest("hex");
  if (existsSync(mark) && readFileSync(mark, "utf8") === want && existsSync(nodePath())) return;
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
  writeFileSync(mark, want);
}

/** Node 24 itself when this already is one, else the one that npm installed. */
function nodePath() {
  return at("node_modules", "node", "bin", "node");
}

prepare();
const [first, ...rest] = process.argv.slice(2);
if (first === undefined || first === "--prepare") process.exit(0);

const child = spawn(
  nodePath(),
  ["--disable-warning=ExperimentalWarning", resolve(root, tools[first] ?? first), ...rest],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${at("node_modules", ".bin")}:${process.env.PATH}` },
  },
);
// The terminal signals the whole group; a supervisor signals only us, so pass it on and let the child decide when to end.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 1 : 128 + 15)));
