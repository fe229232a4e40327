import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";

const MAIN = resolve(import.meta.dirname, "../../src/main/smschannel.ts");

interface DemoLine {
  step?: string;
  ok?: boolean;
  detail?: string;
  demo?: string;
  steps?: number;
}

/** Starts `smschannel demo --json …`. `story` resolves with the demo's lines when its last line has arrived or the process has ended. */
function startDemo(...args: string[]): { child: ChildProcess; story: Promise<DemoLine[]> } {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", MAIN, "demo", "--json", ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const story = (async () => {
    const lines: DemoLine[] = [];
    for await (const text of createInterface({ input: child.stdout! })) {
      const line = JSON.parse(text) as DemoLine;
      lines.push(line);
      if (line.demo !== undefined) break;
    }
    return lines;
  })();
  return { child, story };
}

// CI plays the whole demo with `--once`. This test lets the demo stay up, and interrupts it.
test("the demo shows each step, stays up, and leaves no process or file when it is interrupted", {
  timeout: 240_000,
}, async () => {
  const { child, story } = startDemo();
  const exit = once(child, "exit");
  const lines = await story;
  expect(lines.filter(({ ok }) => ok === false)).toEqual([]);
  expect(lines.at(-1)).toEqual({ demo: "ok", steps: lines.length - 1 });
  const told = lines.flatMap(({ step }) => step ?? []);
  expect(told).toEqual(
    expect.arrayContaining(["kubernetes", "examples", "webhook", "text", "stored", "forgery"]),
  );
  const state = dirname(/kubeconfig: (.*)$/.exec(lines[0]?.detail ?? "")?.[1] ?? "");
  expect(existsSync(state)).toBe(true);
  const programs = await childrenOf(child.pid!);
  // The six processes: etcd, API server, controller manager, PostgreSQL, controller, receiver.
  expect(programs).toHaveLength(6);
  child.kill("SIGINT");
  expect(await exit).toEqual([0, null]);
  expect(programs.filter((pid) => existsSync(`/proc/${pid}/cwd`))).toEqual([]);
  expect(existsSync(state)).toBe(false);
});

test("a demo stops and leaves no process running when it is interrupted just after it started", async () => {
  const { child } = startDemo("--once");
  const exit = once(child, "exit");
  await once(child, "spawn");
  // Once the demo has a child process, it has started something that it must clean up.
  while ((await childrenOf(child.pid!)).length === 0 && child.exitCode === null)
    await new Promise(setImmediate);
  const programs = await childrenOf(child.pid!);
  child.kill("SIGTERM");
  const [code] = await exit;
  expect(code).toBe(1);
  await expect
    .poll(() => programs.filter((pid) => existsSync(`/proc/${pid}/exe`)), { timeout: 10_000 })
    .toEqual([]);
});

async function childrenOf(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return list.trim().split(" ").filter(Boolean).map(Number);
}
