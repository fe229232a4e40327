import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";

// These tests check how the program ends on a signal when people start it by bin/ or scripts/run.mjs, which pass signals on.

const root = resolve(import.meta.dirname, "../..");
const program = ["src/main/smschannel.ts"];
const starts: Record<string, string[]> = {
  "bin/smschannel.mjs": [join(root, "bin/smschannel.mjs")],
  "scripts/run.mjs": [join(root, "scripts/run.mjs"), ...program],
  "node itself": ["--disable-warning=ExperimentalWarning", join(root, ...program)],
};
const simulator = ["twilio-simulator", "--port", "0", "--metrics-port", "0"];
const migrate = ["migrate", "--database-wait", "5m"];
const controller = ["controller", "--metrics-port", "0"];
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  const namespace = await newNamespace("process");
  env = {
    ...process.env,
    DATABASE_URL: "postgres://nobody:wrong@127.0.0.1:9/nothing",
    KUBECONFIG: kubeconfigPath(),
    OPERATOR_NAMESPACE: namespace,
    WATCH_NAMESPACES: namespace,
    PUBLIC_URL: "https://sms.example.com",
  };
});

const children: ChildProcess[] = [];
afterEach(() => {
  for (const { pid, exitCode, signalCode } of children.splice(0))
    if (exitCode === null && signalCode === null) process.kill(-pid!, "SIGKILL");
});

/** Starts a process group, as a shell does for a command at its prompt. */
function start(args: string[], own: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, args, {
    detached: true,
    env: { ...env, ...own },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

/** Waits until the log contains this text. Returns a function that gives everything logged up to the time of its call. */
async function said(child: ChildProcess, what: string): Promise<() => string> {
  let log = "";
  await new Promise<void>((found) =>
    child.stdout!.setEncoding("utf8").on("data", (piece: string) => {
      log += piece;
      if (log.includes(what)) found();
    }),
  );
  return () => log;
}

describe("on Ctrl-C in a terminal, which signals the whole process group, the program ends as after one signal", () => {
  for (const [name, args] of Object.entries(starts))
    test(`a controller started by ${name} logs that it stopped, and exits with code 0`, async () => {
      const child = start([...args, ...controller]);
      const log = await said(child, '"msg":"leading"');
      process.kill(-child.pid!, "SIGINT");
      const [code, signal] = await once(child, "close");
      expect([code, signal, log()]).toEqual([0, null, expect.stringContaining('"msg":"stopped"')]);
    });

  for (const [name, args] of Object.entries(starts))
    test(`a job started by ${name} that waits for the database logs that it gave up, and exits with code 1`, async () => {
      const child = start([...args, ...migrate]);
      const log = await said(child, '"process":"migrate"');
      process.kill(-child.pid!, "SIGINT");
      const [code, signal] = await once(child, "close");
      expect([code, signal, log()]).toEqual([1, null, expect.stringContaining("schema not migrated")]);
    });
});

describe("a signal to the started process alone makes the program stop and exit with code 0", () => {
  for (const [name, args] of Object.entries(starts))
    test(`when the program was started by ${name}`, async () => {
      const child = start([...args, ...simulator]);
      const log = await said(child, '"msg":"started"');
      child.kill("SIGTERM");
      const [code] = await once(child, "close");
      expect([code, log()]).toEqual([0, expect.stringContaining('"msg":"stopped"')]);
    });
});

test("a SIGTERM right after the start ends a command that does not listen for signals", async () => {
  const silent = createServer();
  const asked = once(silent, "request");
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const { port } = silent.address() as AddressInfo;
  const own = {
    RECEIVER_URL: `http://127.0.0.1:${port}`,
    TEST_ACCOUNT_SID: `AC${"0".repeat(32)}`,
    TEST_AUTH_TOKEN: "0".repeat(32),
  };
  const child = start([...starts["node itself"]!, "test-text"], own);
  await asked;
  child.kill("SIGTERM");
  expect(await once(child, "close")).toEqual([143, null]);
  silent.close();
});

describe("a process whose log reader is gone ends on a signal", () => {
  for (const delayMs of [0, 5, 20])
    test(`even when a second signal comes after ${delayMs} ms`, async () => {
      const child = start([...starts["node itself"]!, ...controller]);
      await said(child, '"msg":"leading"');
      const ended = once(child, "close");
      child.kill("SIGTERM");
      child.stdout!.destroy();
      setTimeout(() => child.kill("SIGTERM"), delayMs);
      expect(await ended).toEqual([0, null]);
    });
});

test("a successful validation ends with exit code 0 even when nobody reads its output", async () => {
  const child = start([...starts["node itself"]!, "validate", "--output", "json", join(root, "examples")]);
  child.stdout!.destroy();
  expect(await once(child, "close")).toEqual([0, null]);
});

test("relative paths are relative to the folder in which the command was typed", async () => {
  const cwd = join(root, "examples");
  const child = spawn(join(root, "bin/smschannel.mjs"), ["validate", "30-smsnumber.yaml"], {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [report, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  expect([code, report]).toEqual([0, expect.stringContaining("1 object, 0 errors")]);
});
