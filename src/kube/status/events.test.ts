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
    record: (namespace: string, name: string) =>
      recorder.record(object(namespace, name), { type: "Normal", reason: "Happened", message: "it did" }),
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
  // All waiting events are written in the end, and no more than the backlog holds.
  let told = 0;
  while (waiting.length > 0) {
    told += 1;
    waiting.shift()!.answer();
    await next();
  }
  expect(told).toBeGreaterThan(1500);
  expect(told).toBeLessThanOrEqual(2048);
});
