import { afterEach, expect, test } from "vitest";
import { listenForStop } from "./signals.ts";

afterEach(() => void process.removeAllListeners("SIGUSR2"));

// A signal that nothing else listens for: the test does to itself what a terminal does to a program.
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

test("one wish may come as several signals: it ends in order", () => {
  const { wish, exits, told, send } = listen();
  for (const at of [5000, 5001, 5030, 5999]) send(at);
  expect(wish.signal.aborted).toBe(true);
  expect(told).toEqual(["SIGUSR2"]);
  expect(exits).toEqual([]);
});

test("who asks again after a second does not want to wait", () => {
  const { exits, send } = listen();
  send(0);
  send(1000);
  expect(exits).toEqual([128 + 12]);
});

test("the last signal of a wish does not kill what has just ended", () => {
  const { wish, exits, send } = listen();
  send(0);
  wish.end();
  send(20);
  expect(process.listenerCount("SIGUSR2")).toBe(1);
  expect(exits).toEqual([]);
});

test("afterwards signals do what they do without us", () => {
  const { wish } = listen();
  wish.end();
  expect(process.listenerCount("SIGUSR2")).toBe(0);
});
