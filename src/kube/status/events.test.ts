import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { silentLog } from "../../log.ts";
import type { KubeClient } from "../client/client.ts";
import type { EventObject, KubeObject } from "../resource.ts";
import { EventRecorder } from "./events.ts";

/** A recorder with an API server that answers only when the test calls `answer`. */
function scene() {
  const waiting: { event: EventObject; answer: () => void }[] = [];
  const client = {
    create: (_type: unknown, event: EventObject) =>
      new Promise((resolve) => waiting.push({ event, answer: () => resolve(event) })),
  };
  const recorder = new EventRecorder({
    client: client as unknown as KubeClient,
    clock: new ManualClock(),
    log: silentLog,
    reportingController: "test/controller",
    reportingInstance: "test",
  });
  const object = (namespace: string, name: string): KubeObject => ({
    apiVersion: "v1",
    kind: "Thing",
    metadata: { namespace, name, uid: `${namespace}/${name}` },
  });
  return {
    waiting,
    record: (namespace: string, name: string, message = "it did") =>
      recorder.record(object(namespace, name), { type: "Normal", reason: "Happened", message }),
    next: () => new Promise(setImmediate),
  };
}

test("events of one namespace are written, however many events another namespace has", async () => {
  const { waiting, record, next } = scene();
  for (let at = 0; at < 3000; at++) record("a", `busy-${at}`);
  await next();
  record("b", "quiet");
  await next();
  const asked = () => waiting.map(({ event }) => event.metadata.namespace);
  expect(asked()).toContain("b");
  // In the end every waiting event is written, and never more events wait than the backlog holds.
  let told = 0;
  while (waiting.length > 0) {
    told += 1;
    waiting.shift()!.answer();
    await next();
  }
  expect(told).toBeGreaterThan(1500);
  expect(told).toBeLessThanOrEqual(2048);
});

const messages: Record<string, string> = {
  "letters of one byte": "a".repeat(2000),
  "letters of two bytes": "é".repeat(1000),
  "signs of three bytes": "…".repeat(1000),
  "emoji of four bytes": "📦".repeat(500),
  "emoji after a letter": `a${"📦".repeat(500)}`,
  "emoji after two letters": `ab${"📦".repeat(500)}`,
  "emoji after three letters": `abc${"📦".repeat(500)}`,
};
for (const [name, message] of Object.entries(messages))
  test(`a message that is too long for an event is cut to 1,024 bytes without half a character (${name})`, async () => {
    const { waiting, record, next } = scene();
    record("a", "long", message);
    await next();
    const { note } = waiting[0]!.event;
    expect(Buffer.byteLength(note!)).toBeLessThanOrEqual(1024);
    expect(Buffer.byteLength(note!)).toBeGreaterThan(1000);
    expect(note!.isWellFormed()).toBe(true);
    expect(message.startsWith(note!.slice(0, -1))).toBe(true);
    expect(note!.endsWith("…")).toBe(true);
  });
