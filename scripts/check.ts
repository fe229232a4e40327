// `npm run check` runs what needs no server and takes seconds: format, lint, generated files, types and unit tests. All steps run, even
// after one of them has failed. Only a failed step shows its output.
import { spawn } from "node:child_process";
import { resolve } from "node:path";

interface CheckStep {
  readonly name: string;
  readonly args: readonly string[];
  /** The command that a person is told to run when the step fails. */
  readonly remedy: string;
}

const steps: CheckStep[] = [
  { name: "format and lint", args: ["biome", "check", "."], remedy: "npm run format" },
  { name: "generated files", args: ["scripts/generate.ts", "--check"], remedy: "npm run generate" },
  { name: "types", args: ["tsc"], remedy: "node scripts/run.mjs tsc" },
  { name: "unit tests", args: ["vitest", "run", "--project", "unit"], remedy: "npm run test:unit" },
];

const runner = resolve(import.meta.dirname, "run.mjs");

function run({ args }: CheckStep): Promise<{ ok: boolean; output: string; seconds: number }> {
  const started = performance.now();
  const child = spawn(process.execPath, [runner, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return new Promise((settle) => {
    const done = (ok: boolean) => settle({ ok, output, seconds: (performance.now() - started) / 1000 });
    child.once("error", () => done(false)).once("close", (code) => done(code === 0));
  });
}

const results = await Promise.all(
  steps.map(async (step) => {
    const result = await run(step);
    console.log(`${result.ok ? "ok    " : "FAILED"}  ${step.name} (${result.seconds.toFixed(1)} s)`);
    return { ...step, ...result };
  }),
);
const failed = results.filter(({ ok }) => !ok);
for (const { name, output, remedy } of failed)
  console.log(`\n── ${name} ──\n${output.trimEnd()}\n→ ${remedy}`);
console.log(
  `\ncheck: ${results.length - failed.length} of ${results.length} fine${failed.length === 0 ? "" : `; failed: ${failed.map(({ name }) => name).join(", ")}`}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
