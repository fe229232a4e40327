import { beforeEach, expect, test } from "vitest";
import { LogOutput } from "./log-output.ts";

/** What the reader got, and what the next writes meet. */
let read: string;
let room: (number | string)[];
let output: LogOutput;

beforeEach(() => {
  read = "";
  room = [];
  output = new LogOutput({
    fd: 1,
    write(_, bytes) {
      const next = room.shift() ?? bytes.length;
      if (typeof next === "string") throw Object.assign(new Error(next), { code: next });
      read += bytes.subarray(0, next).toString();
      return Math.min(next, bytes.length);
    },
  });
});

test("lines come whole and in order, also when the reader takes them in pieces", () => {
  room = [3, 2];
  output.write("first line\n");
  output.write("second\n");
  expect(read).toBe("first line\nsecond\n");
});

test("a reader who is gone ends the logging, and nothing else", () => {
  room = ["EPIPE"];
  output.write("first\n");
  output.write("second\n");
  output.flush();
  expect(read).toBe("");
});

test("what a slow reader does not take at once comes later", async () => {
  room = ["EAGAIN", "EAGAIN"];
  output.write("first\n");
  output.write("second\n");
  expect(read).toBe("");
  await expect.poll(() => read).toBe("first\nsecond\n");
});

test("the end of the process waits for a slow reader", () => {
  room = ["EAGAIN", "EAGAIN", 2];
  output.write("first\n");
  output.flush();
  expect(read).toBe("first\n");
});

test("but not for ever", () => {
  room = Array.from({ length: 10_000 }, () => "EAGAIN");
  output.write("first\n");
  output.flush();
  expect(room.length).toBeGreaterThan(9000);
});

test("lines that a slow reader has no room for are counted", () => {
  room = ["EAGAIN"];
  for (let at = 0; at < 30; at++) output.write(`${"x".repeat(100_000)}\n`);
  output.flush();
  expect(read.length).toBeLessThan(1_100_000);
  expect(read).toMatch(/\n\{"level":"warn","time":"[^"]+","lost":20,"msg":"log lines lost"\}\n$/);
});

test("a full disk costs the line that it met, not those after it", () => {
  room = ["ENOSPC"];
  output.write("first\n");
  output.write("second\n");
  expect(read).toBe("second\n");
});
