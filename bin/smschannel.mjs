#!/usr/bin/env node
// The program from a checkout: `bin/smschannel.mjs controller --help`. Images carry the bundled form.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const run = fileURLToPath(new URL("../scripts/run.mjs", import.meta.url));
const child = spawn(process.execPath, [run, "src/main/smschannel.ts", ...process.argv.slice(2)], {
  stdio: "inherit",
  // Files named on the command line are relative to where the person is, not to the checkout.
  env: { ...process.env, SMSCHANNEL_CWD: process.env.SMSCHANNEL_CWD ?? process.cwd() },
});
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 143));
