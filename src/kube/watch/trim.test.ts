import { expect, test } from "vitest";
import type { KubeObject } from "../resource.ts";
import { trim } from "./trim.ts";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

const raw = (): KubeObject =>
  ({
    apiVersion: "example.com/v1",
    kind: "Widget",
    metadata: {
      name: "a",
      namespace: "team",
      uid: "u",
      resourceVersion: "7",
      generation: 2,
      creationTimestamp: "2026-01-01T00:00:00Z",
      deletionTimestamp: "2026-01-02T00:00:00Z",
      finalizers: ["example.com/f"],
      labels: { app: "x" },
      annotations: { keep: "me", [LAST_APPLIED]: "{}" },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "p", uid: "pu" }],
      generateName: "a-",
      managedFields: [{ manager: "kubectl" }],
    },
    spec: { size: 3 },
    status: {
      observedGeneration: 2,
      other: "x",
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "Fine",
          message: "all is well",
          lastTransitionTime: "2026-01-01T00:00:01Z",
          observedGeneration: 2,
        },
      ],
    },
  }) as KubeObject;

test("a trimmed object keeps everything except the fields that nobody reads", () => {
  const wanted = raw();
  const metadata = wanted.metadata as unknown as Record<string, unknown>;
  delete metadata.managedFields;
  delete metadata.generateName;
  metadata.annotations = { keep: "me" };

  expect(trim(raw())).toEqual(wanted);
});

test("an object that is kept as metadata only has nothing but its metadata", () => {
  const { apiVersion, kind, metadata } = trim(raw());
  expect(trim(raw(), { metadataOnly: true })).toEqual({ apiVersion, kind, metadata });
});

test("a trimmed object cannot be changed at any depth", () => {
  const object = trim(raw());
  const { conditions } = object.status as { conditions: { reason: string }[] };
  expect(() => {
    conditions[0]!.reason = "Mine";
  }).toThrow(TypeError);
  expect(() => {
    object.metadata.labels!.app = "y";
  }).toThrow(TypeError);
});

test("the function `transform` gets the trimmed object, and what it returns is kept", () => {
  const seen = trim(raw(), {
    transform: (object) => ({ ...object, spec: Object.keys(object.metadata).includes("managedFields") }),
  });
  expect(seen.spec).toBe(false);
});

test("a status without conditions stays as it is, and a missing status stays missing", () => {
  expect(trim({ ...raw(), status: { replicas: 1 } }).status).toEqual({ replicas: 1 });
  const less = { conditions: [{ type: "Ready", status: "True" }] };
  expect(trim({ ...raw(), status: less }).status).toEqual(less);
  const { status: _, ...bare } = raw();
  expect(trim(bare)).not.toHaveProperty("status");
});
