import { afterEach, expect, test } from "vitest";
import { listenForStop } from "./signals.ts";

afterEach(() => void process.removeAllListeners("SIGUSR2"));

// The tests use a signal that nothing else listens for, and emit its event themselves, as Node does when a signal arrives.
const listen = () => {
  const exits: number[] = [];
  const told: string[] = [];
  let nowMs = 0;
  const wish = listenForStop({
    names: ["SIGUSR2"],
    now: () => nowMs,
    exit: (code) => exits.push(code),
    onStop: (name) => told.push(name),
  });
  const send = (atMs: number) => {
    nowMs = atMs;
    process.emit("SIGUSR2", "SIGUSR2");
  };
  return { wish, exits, told, send };
};

test("several signals within a second count as one request to stop, and do not end the process immediately", () => {
  const { wish, exits, told, send } = listen();
  for (const at of [5000, 5001, 5030, 5999]) send(at);
  expect(wish.signal.aborted).toBe(true);
  expect(told).toEqual(["SIGUSR2"]);
  expect(exits).toEqual([]);
});

test("a signal a second after the first ends the process immediately", () => {
  const { exits, send } = listen();
  send(0);
  send(1000);
  expect(exits).toEqual([128 + 12]);
});

test("late signals of a request to stop do not kill a process that has just finished its work", () => {
  const { wish, exits, send } = listen();
  send(0);
  wish.end();
  send(20);
  expect(process.listenerCount("SIGUSR2")).toBe(1);
  expect(exits).toEqual([]);
});

test("signals have their usual effect again when the work ended without a request to stop", () => {
  const { wish } = listen();
  wish.end();
  expect(process.listenerCount("SIGUSR2")).toBe(0);
});
