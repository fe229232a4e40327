import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

/** Counts the modules of the SDK that a fresh process has loaded after importing the given modules. */
async function sdkModulesAfter(...modules: string[]): Promise<number> {
  const imports = modules.map(
    (path) => `await import(${JSON.stringify(new URL(path, import.meta.url).href)});`,
  );
  const count = `const { createRequire } = await import("node:module");
    const loaded = Object.keys(createRequire(${JSON.stringify(import.meta.url)}).cache);
    process.stdout.write(String(loaded.filter((file) => file.includes("node_modules/twilio/")).length));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", imports.join("") + count]);
  return Number(stdout);
}

test("importing the Twilio client does not load the SDK, which takes 25 MB that a receiver does not need", async () => {
  expect(await sdkModulesAfter("../../src/twilio/signature.ts", "../../src/twilio/form.ts")).toBe(0);
  expect(await sdkModulesAfter("../../src/twilio/twilio.ts")).toBe(0);
  expect(await sdkModulesAfter("../../node_modules/twilio/index.js")).toBeGreaterThan(10);
});
