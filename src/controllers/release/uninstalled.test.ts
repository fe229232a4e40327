import { expect, test } from "vitest";
import type { Condition } from "../../api/index.ts";
import { uninstalledStatus } from "./uninstalled.ts";

const NOW = Date.UTC(2026, 0, 2);
const condition = (type: string, status: Condition["status"]): Condition => ({
  type,
  status,
  reason: "Any",
  message: "any",
  lastTransitionTime: "2026-01-01T00:00:00Z",
  observedGeneration: 3,
});
const object = (status?: object) => ({
  apiVersion: "smschannel.dev/v1alpha1",
  kind: "SmsNumber",
  metadata: { name: "line", generation: 4 },
  ...(status === undefined ? {} : { status }),
});
const said = (status: object | undefined, wired = false) =>
  uninstalledStatus(object(status), { message: "gone", wired, now: NOW });

test("every named condition is Unknown for the newest generation, and those that the runtime added are gone", () => {
  const conditions = [
    condition("Accepted", "True"),
    condition("Ready", "False"),
    condition("Reconciling", "True"),
    condition("Stalled", "True"),
  ];
  expect(said({ managedBy: "a/b", observedGeneration: 3, conditions })).toEqual({
    observedGeneration: 4,
    conditions: ["Accepted", "Ready"].map((type) => ({
      type,
      status: "Unknown",
      reason: "OperatorUninstalled",
      message: "gone",
      observedGeneration: 4,
      lastTransitionTime: "2026-01-02T00:00:00Z",
    })),
  });
});

test("a condition that was Unknown before keeps its time", () =>
  expect(said({ conditions: [condition("Ready", "Unknown")] }).conditions?.[0]?.lastTransitionTime).toBe(
    "2026-01-01T00:00:00Z",
  ));

test("an object that nobody had looked at yet gets a Ready condition", () =>
  expect(said(undefined).conditions?.map(({ type }) => type)).toEqual(["Ready"]));

test("facts stay and fields that only an operator keeps true go; a webhook that was left stays known", () => {
  const facts = { phoneNumberSid: "PN1", accountSid: "AC1" };
  const wiring = { configuredUrl: "https://us", previousWebhook: { host: "crm.example.com" } };
  const status = { ...facts, ...wiring, inboundUrl: "https://us", open: true };
  expect(said(status)).toMatchObject(facts);
  expect(Object.keys(said(status)).sort()).toEqual(
    ["accountSid", "conditions", "observedGeneration", "phoneNumberSid"].sort(),
  );
  expect(said(status, true)).toMatchObject({ ...facts, ...wiring });
});
