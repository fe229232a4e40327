import { expect, test } from "vitest";
import type { SmsNumber } from "../../../api/index.ts";
import type { Change } from "../../../kube/watch/informer.ts";
import { NewNumbers } from "./new-numbers.ts";

const object = (uid: string, status?: Partial<SmsNumber["status"]>) =>
  ({ metadata: { uid }, status }) as SmsNumber;

function listening() {
  let tell: (change: Change<SmsNumber>) => void = () => {};
  const numbers = new NewNumbers({
    onChange: (listener) => {
      tell = listener;
      return () => {};
    },
  });
  return { numbers, tell: (change: Change<SmsNumber>) => tell(change) };
}

test("an SmsNumber that appears without a status is new until its webhook is set or it is deleted", () => {
  const { numbers, tell } = listening();
  for (const uid of ["a", "b", "c"]) tell({ type: "added", object: object(uid) });
  tell({ type: "updated", object: object("a", { managedBy: "us" }), previous: object("a") });
  expect(["a", "b", "c"].map((uid) => numbers.has(uid))).toEqual([true, true, true]);
  numbers.end("a");
  tell({ type: "deleted", object: object("b") });
  expect(["a", "b", "c"].map((uid) => numbers.has(uid))).toEqual([false, false, true]);
});

test("an SmsNumber is not new if some operator has processed it, or if the informer first reports it as changed", () => {
  const { numbers, tell } = listening();
  tell({ type: "added", object: object("a", { managedBy: "another/release" }) });
  tell({ type: "updated", object: object("b"), previous: object("b") });
  expect([numbers.has("a"), numbers.has("b")]).toEqual([false, false]);
});

test("when a process begins to lead, an SmsNumber that another leader has processed is no longer new", () => {
  const { numbers, tell } = listening();
  for (const uid of ["a", "b"]) tell({ type: "added", object: object(uid) });
  numbers.begin([object("a", { managedBy: "us" }), object("b")]);
  expect([numbers.has("a"), numbers.has("b")]).toEqual([false, true]);
});
