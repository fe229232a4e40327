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

test("an uninstallation makes every condition Unknown for the newest generation, and removes Reconciling and Stalled", () => {
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

test("a condition that was Unknown before the uninstallation keeps its transition time", () =>
  expect(said({ conditions: [condition("Ready", "Unknown")] }).conditions?.[0]?.lastTransitionTime).toBe(
    "2026-01-01T00:00:00Z",
  ));

test("an uninstallation gives an object without a status the condition Ready", () =>
  expect(said(undefined).conditions?.map(({ type }) => type)).toEqual(["Ready"]));

test("an uninstallation keeps the status fields that stay true, and the webhook's fields only if the webhook was left at Twilio", () => {
  const facts = { phoneNumberSid: "PN1", accountSid: "AC1" };
  const wiring = { configuredUrl: "https://us", previousWebhook: { host: "crm.example.com" } };
  const status = { ...facts, ...wiring, inboundUrl: "https://us", open: true };
  expect(said(status)).toMatchObject(facts);
  expect(Object.keys(said(status)).sort()).toEqual(
    ["accountSid", "conditions", "observedGeneration", "phoneNumberSid"].sort(),
  );
  expect(said(status, true)).toMatchObject({ ...facts, ...wiring });
});
