import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/** Runs `smschannel validate …` as a person or a pipeline would. */
function run(args: string[], input = ""): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["src/main/smschannel.ts", "validate", ...args], { cwd: root });
  child.stdin.end(input);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((done) => child.once("close", (code) => done({ code, stdout, stderr })));
}

const hours = (zone: string) =>
  `apiVersion: smschannel.dev/v1alpha1\nkind: OperatingHours\nmetadata: {name: h}\nspec: {timeZone: ${zone}}\n`;

test("validate ends with exit code 0 for the examples, which are valid", async () => {
  expect(await run(["examples"])).toEqual({
    code: 0,
    stdout: "3 objects, 0 errors, 0 warnings\n",
    stderr: "",
  });
});

test("validate ends with exit code 1 for an error in standard input", async () => {
  const { code, stdout } = await run(["-"], hours("Local"));
  expect(code).toBe(1);
  expect(stdout).toContain("(stdin):4: error: OperatingHours h: spec.timeZone:");
});

test("validate --output json prints one JSON object", async () => {
  const { code, stdout } = await run(["--output", "json", "-"], hours("UTC"));
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ objects: 1, errors: 0, warnings: 0, findings: [] });
});

test("validate ends with exit code 2 and a message on stderr when it is used wrongly", async () => {
  expect(await run([])).toMatchObject({ code: 2, stderr: expect.stringContaining("name at least one file") });
  expect(await run(["no-such.yaml"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no-such.yaml"),
  });
  expect(await run(["--output", "xml", "examples"])).toMatchObject({ code: 2 });
});
