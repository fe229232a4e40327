import { beforeEach, expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import type { KubeObject, ObjectMeta } from "../kube/resource.ts";
import type { Change } from "../kube/watch/informer.ts";
import { Touches } from "./touches.ts";

const object = (metadata: Partial<ObjectMeta> = {}, status?: unknown): KubeObject => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name: "a", uid: "u", generation: 1, ...metadata },
  ...(status === undefined ? {} : { status }),
});

const rows: Record<string, [before: KubeObject, after: KubeObject, isTouch: boolean]> = {
  "the spec is changed": [object(), object({ generation: 2 }), true],
  "an annotation is added": [object(), object({ annotations: { look: "now" } }), true],
  "an annotation changes": [object({ annotations: { a: "1" } }), object({ annotations: { a: "2" } }), true],
  "a label is removed": [object({ labels: { a: "1" } }), object({ labels: {} }), true],
  "the status is written": [object(), object({ resourceVersion: "2" }, { ready: true }), false],
  "the operator's finalizer is added": [object(), object({ finalizers: ["ours"] }), false],
  "a deletion begins": [object(), object({ deletionTimestamp: "2026-01-01T00:00:00Z" }), false],
};

let clock: ManualClock;
let tell: (change: Change<KubeObject>) => void;
let touches: Touches<KubeObject>;
beforeEach(() => {
  clock = new ManualClock();
  touches = new Touches(
    {
      onChange: (listener) => {
        tell = listener;
        return () => {};
      },
    },
    clock,
  );
});

for (const [name, [previous, after, isTouch]] of Object.entries(rows))
  test(`when ${name}, that ${isTouch ? "counts" : "does not count"} as a change by the user`, async () => {
    const made = clock.monotonic();
    tell({ type: "added", object: previous });
    await clock.advance(5000);
    tell({ type: "updated", object: after, previous });
    await clock.advance(5000);
    expect(touches.at(after) - made).toBe(isTouch ? 5000 : 0);
  });

test("an object created again under the same name gets times of its own, and a change of its Secret counts as its change", async () => {
  tell({ type: "added", object: object() });
  tell({ type: "deleted", object: object() });
  await clock.advance(5000);
  tell({ type: "added", object: object({ uid: "v" }) });
  expect(touches.at(object({ uid: "v" }))).toBe(clock.monotonic());
  await clock.advance(5000);
  touches.touch(object({ uid: "v" }));
  expect(touches.at(object({ uid: "v" }))).toBe(clock.monotonic());
});

test("a later change of an object counts as later even if the wall clock was set back", async () => {
  tell({ type: "added", object: object() });
  const made = touches.at(object());
  clock.jump(-3_600_000);
  await clock.advance(1000);
  tell({ type: "updated", object: object({ generation: 2 }), previous: object() });
  expect(touches.at(object()) - made).toBe(1000);
});
