import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { RuleJudge, type RuleJudgeOptions } from "./judge.ts";

const judges: RuleJudge[] = [];
afterEach(() => Promise.all(judges.splice(0).map((judge) => judge.stop())));

function newJudge(options: RuleJudgeOptions = {}): RuleJudge {
  const judge = new RuleJudge(options);
  judges.push(judge);
  return judge;
}

const rules = (...whens: string[]) => whens.map((when, at) => ({ name: `r${at}`, when }));

/** A program that makes the thread do what an expression's text says, so that a test can have a rule that exceeds a limit. */
const asTold = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from "node:worker_threads";
    const kept = [];
    parentPort.on("message", (when) => {
      if (when === "loop") for (;;);
      if (when === "fill") for (;;) kept.push(new Array(1000).fill(kept.length));
      if (when === "third of the memory") for (let i = 0; i < 1300; i++) kept.push(new Array(1000).fill(i + 0.5));
      if (when === "throw") throw new Error("a bug in the thread");
      parentPort.postMessage({ good: true, patterns: 0, steps: 0 });
    });
    parentPort.postMessage("ready");
  `)}`,
);

test("each rule is checked by itself, and a bad rule is reported with its index", async () => {
  const { problems, certain } = await newJudge().judge("team", rules("true", "nothing", "false", "1"));
  expect(certain).toBe(true);
  expect(problems).toEqual([
    { index: 1, name: "r1", message: "Unknown variable: nothing (at character 1)" },
    { index: 3, name: "r3", message: expect.stringContaining("of type int") },
  ]);
});

test("no thread is started for a WorkStream without rules", async () => {
  const file = new URL("data:text/javascript,process.exit(1)");
  expect(await newJudge({ file }).judge("team", [])).toEqual({ problems: [], certain: true });
});

test("a rule that takes too long is reported, and the rules before and after it are checked", async () => {
  const judge = newJudge({ file: asTold, timeMs: 50 });
  const { problems, certain } = await judge.judge("team", rules("fine", "loop", "fine"));
  expect(problems).toEqual([
    { index: 1, name: "r1", message: "it takes too long to check: make it simpler" },
  ]);
  expect(certain).toBe(false);
});

test("the main thread keeps running while a rule takes too long", async () => {
  const judge = newJudge({ file: asTold, timeMs: 200 });
  let turns = 0;
  let judging = true;
  const judged = judge.judge("team", rules("loop")).finally(() => {
    judging = false;
  });
  while (judging) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await judged;
  expect(turns).toBeGreaterThan(100);
});

test("when rules took too long, the other rules of their WorkStream are not checked, but those of the next are", async () => {
  const judge = newJudge({ file: asTold, timeMs: 30, streamMs: 50 });
  const { problems } = await judge.judge("team", rules("loop", "fine", "fine"));
  expect(problems.map(({ message }) => message)).toEqual([
    "it takes too long to check: make it simpler",
    "it was not checked, because the rules before it took too long",
    "it was not checked, because the rules before it took too long",
  ]);
  expect(await judge.judge("team", rules("fine"))).toEqual({ problems: [], certain: true });
});

test("a rule that fills the memory is reported, and the process and the next rule are unharmed", async () => {
  const judge = newJudge({ file: asTold, timeMs: 60_000, streamMs: 120_000, memoryMb: 16 });
  const { problems } = await judge.judge("team", rules("fine", "fill", "fine"));
  expect(problems).toEqual([{ index: 1, name: "r1", message: "it needs too much memory: make it simpler" }]);
});

test("a rule is not blamed for memory that other rules used up", async () => {
  const judge = newJudge({ file: asTold, timeMs: 60_000, streamMs: 120_000, memoryMb: 32 });
  const many = Array.from({ length: 12 }, () => "third of the memory");
  expect(await judge.judge("team", rules(...many))).toEqual({ problems: [], certain: true });
});

test("a check rejects when its thread fails, and the next rule gets a new thread", async () => {
  const judge = newJudge({ file: asTold });
  await expect(judge.judge("team", rules("throw"))).rejects.toThrow("a bug in the thread");
  expect(await judge.judge("team", rules("fine"))).toEqual({ problems: [], certain: true });
});

test("a namespace does not have to wait until all rules of another namespace are checked", async () => {
  const judge = newJudge();
  const order: string[] = [];
  const many = Array.from({ length: 20 }, () =>
    judge.judge("a", rules(...Array.from({ length: 64 }, () => "true"))).then(() => order.push("a")),
  );
  await judge.judge("b", rules("true")).then(() => order.push("b"));
  expect(order).toEqual(["b"]);
  await Promise.all(many);
});

test("stop() makes the check under way and the waiting check reject, and may be called twice", async () => {
  const judge = newJudge({ file: asTold, timeMs: 60_000 });
  const busy = judge.judge("team", rules("loop"));
  const waiting = judge.judge("team", rules("fine"));
  const ended = Promise.all([expect(busy).rejects.toThrow(), expect(waiting).rejects.toThrow("stops")]);
  await Promise.all([judge.stop(), judge.stop()]);
  await ended;
});

test("an idle thread does not keep the process alive", async () => {
  const program = `import { RuleJudge } from ${JSON.stringify(join(import.meta.dirname, "judge.ts"))};
    const judge = new RuleJudge({ idleMs: 600_000 });
    const { problems } = await judge.judge("team", [{ name: "a", when: "nobody" }]);
    console.log(problems[0].message);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  expect([code, said]).toEqual([0, "Unknown variable: nobody (at character 1)\n"]);
});
