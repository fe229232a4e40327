import { beforeEach, expect, test } from "vitest";
import { LogOutput } from "./log-output.ts";

/**
 * `read` is what the reader of the log got. `room` holds the results of the next writes: a number of bytes, or an error code.
 */
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

test("lines arrive complete and in order, even when the reader takes them in pieces", () => {
  room = [3, 2];
  output.write("first line\n");
  output.write("second\n");
  expect(read).toBe("first line\nsecond\n");
});

test("when the log's reader is gone, only logging ends and the process goes on", () => {
  room = ["EPIPE"];
  output.write("first\n");
  output.write("second\n");
  output.flush();
  expect(read).toBe("");
});

test("lines that a slow reader does not take immediately reach it later", async () => {
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

test("the end of the process does not wait for ever for a reader that takes nothing", () => {
  room = Array.from({ length: 10_000 }, () => "EAGAIN");
  output.write("first\n");
  output.flush();
  expect(room.length).toBeGreaterThan(9000);
});

test("lines that are dropped for a slow reader are counted", () => {
  room = ["EAGAIN"];
  for (let at = 0; at < 30; at++) output.write(`${"x".repeat(100_000)}\n`);
  output.flush();
  expect(read.length).toBeLessThan(1_100_000);
  expect(read).toMatch(/\n\{"level":"warn","time":"[^"]+","lost":20,"msg":"log lines lost"\}\n$/);
});

test("a full disk loses one line, but not the lines after it", () => {
  room = ["ENOSPC"];
  output.write("first\n");
  output.write("second\n");
  expect(read).toBe("second\n");
});
