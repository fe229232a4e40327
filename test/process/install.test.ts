import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryDirectory } from "../support/controlplane/directory.ts";

// These tests run scripts/run.mjs in a small project of its own, with an npm that only records its calls.

const root = resolve(import.meta.dirname, "../..");
let folder: string;

interface LockedPackage {
  version: string;
  integrity?: string;
  optional?: boolean;
}
const locked: Record<string, LockedPackage> = {
  "": { version: "0.1.0" },
  "node_modules/pg": { version: "8.23.1", integrity: "sha512-a" },
  "node_modules/node": { version: "24.21.0", integrity: "sha512-b" },
  "node_modules/for-a-mac": { version: "1.0.0", integrity: "sha512-c", optional: true },
};
const { "": _, "node_modules/for-a-mac": __, ...installed } = locked;

beforeEach(async () => {
  folder = await temporaryDirectory("sms-run");
  for (const each of ["scripts", "bin", "node_modules/node/bin"])
    await mkdir(join(folder, each), { recursive: true });
  await copyFile(join(root, "scripts/run.mjs"), join(folder, "scripts/run.mjs"));
  await writeFile(join(folder, "bin/npm"), `#!/bin/sh\necho "$*" >> ${folder}/called\n`, { mode: 0o755 });
  await writeFile(
    join(folder, "hello.ts"),
    "const name: string = 'hello';\nconsole.log(name, process.cwd());\n",
  );
  await lock("package-lock.json", locked);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lock = (file: string, packages: object) => writeFile(join(folder, file), JSON.stringify({ packages }));
const bringNode = () => symlink(process.execPath, join(folder, "node_modules/node/bin/node"));

async function run(env: Record<string, string> = {}) {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(folder, "scripts/run.mjs"), "hello.ts"],
    {
      env: { ...process.env, ...env, PATH: `${folder}/bin:${process.env.PATH}` },
    },
  );
  return stdout;
}
const npmCalls = () => readFile(join(folder, "called"), "utf8").catch(() => "");

/** For each case: the packages that an earlier npm left installed, and whether npm is called again. */
const rows: Record<string, [left: object | undefined, called: boolean]> = {
  "a complete npm ci": [installed, false],
  "somebody installed an additional package to try it": [
    { ...installed, "node_modules/x": { version: "1.0.0" } },
    false,
  ],
  "a package was removed": [{ "node_modules/node": locked["node_modules/node"] }, true],
  "a package got another version": [
    { ...installed, "node_modules/pg": { version: "8.0.0", integrity: "sha512-a" } },
    true,
  ],
  "a package got other content": [
    { ...installed, "node_modules/pg": { version: "8.23.1", integrity: "sha512-x" } },
    true,
  ],
  "an installation was interrupted": [undefined, true],
};

describe("npm is called only when a package is missing or different", () => {
  for (const [name, [left, called]] of Object.entries(rows))
    test(`it is ${called ? "called" : "not called"} after ${name}`, async () => {
      if (left !== undefined) await lock("node_modules/.package-lock.json", left);
      await bringNode();
      expect(await run()).toContain("hello");
      expect(await npmCalls()).toBe(called ? "ci --no-audit --no-fund --loglevel=error\n" : "");
    });

  test("and the command fails when Node 24 is still missing after the call, as when Node's install script is blocked", async () => {
    await lock("node_modules/.package-lock.json", installed);
    await expect(run()).rejects.toThrow("npm installed no Node 24");
    expect(await npmCalls()).toContain("ci");
  });
});

test("scripts/run.mjs runs the command in the project's folder, or in the folder that SMSCHANNEL_CWD names", async () => {
  await lock("node_modules/.package-lock.json", installed);
  await bringNode();
  expect(await run()).toBe(`hello ${folder}\n`);
  expect(await run({ SMSCHANNEL_CWD: join(folder, "bin") })).toBe(`hello ${join(folder, "bin")}\n`);
});

test("package.json requires no newer Node than the README says", async () => {
  const { engines } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    engines: { node: string };
  };
  expect(engines.node).toBe(">=20");
  for (const page of ["README.md", "CONTRIBUTING.md"])
    expect(await readFile(join(root, page), "utf8")).toMatch(/Node 20 or newer/);
});
