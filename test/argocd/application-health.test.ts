import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type ArgoHealth, DEPLOY, healthOf } from "./health.ts";

// Tests of the health check that makes a wave of Applications wait for the wave before it. Argo CD's own Lua runs the check.

const { data } = parse(readFileSync(`${DEPLOY}/examples/application-health.yaml`, "utf8")) as {
  data: Record<string, string>;
};
const script = data["resource.customizations.health.argoproj.io_Application"]!;

const source = {
  repoURL: "https://git.example.com/platform.git",
  path: "charts/operator",
  targetRevision: "main",
  helm: { valuesObject: { image: { tag: "1" } } },
};
const destination = { server: "https://kubernetes.default.svc", namespace: "sms" };
const SYNC_ENDED = "2026-01-05T09:30:10Z";
const LATER = "2026-01-05T09:30:11Z";

/** An Application that was synced, compared after that, and found Healthy. */
const settled = {
  apiVersion: "argoproj.io/v1alpha1",
  kind: "Application",
  metadata: { name: "sms-channel-operator", namespace: "argocd" },
  spec: { source, destination, project: "default" },
  status: {
    reconciledAt: LATER,
    health: { status: "Healthy" },
    sync: { status: "Synced", revision: "a1", comparedTo: { source, destination } },
    operationState: {
      phase: "Succeeded",
      message: "successfully synced",
      finishedAt: SYNC_ENDED,
      syncResult: { revision: "a1", source },
    },
  },
};
const statusOf = (change: object) => ({ status: { ...settled.status, ...change } });
const status = (change: object): object => ({ ...settled, ...statusOf(change) });
const otherImage = { ...source, helm: { valuesObject: { image: { tag: "2" } } } };
const selfHealing = {
  ...settled,
  spec: { ...settled.spec, syncPolicy: { automated: { prune: true, selfHeal: true } } },
};
const triedAgain = {
  ...settled.status.operationState,
  operation: { sync: { autoHealAttemptsCount: 1 } },
};
const outOfSync = { ...settled.status.sync, status: "OutOfSync" };

const NEWEST_SPEC = "waiting until Argo CD compares the newest spec";
const RESULT = "waiting until Argo CD compares the result of the sync";
const healthy: ArgoHealth = { status: "Healthy" };
const progressing = (message: string): ArgoHealth => ({ status: "Progressing", message });

const rows: Record<string, [object, ArgoHealth]> = {
  "it was synced, and compared after that": [settled, healthy],
  "it has no status yet": [{ ...settled, status: undefined }, progressing(NEWEST_SPEC)],
  "the image was changed, and the status still has the health and sync of the old image": [
    { ...settled, spec: { ...settled.spec, source: otherImage } },
    progressing(NEWEST_SPEC),
  ],
  "the image was changed, and the old image is Degraded: the sync of the new image does not fail": [
    {
      ...settled,
      spec: { ...settled.spec, source: otherImage },
      ...statusOf({ health: { status: "Degraded" } }),
    },
    progressing(NEWEST_SPEC),
  ],
  "the destination was changed": [
    { ...settled, spec: { ...settled.spec, destination: { ...destination, namespace: "other" } } },
    progressing(NEWEST_SPEC),
  ],
  "one of several sources was changed": [
    {
      ...settled,
      spec: { project: "default", destination, sources: [source, otherImage] },
      ...statusOf({ sync: { status: "Synced", comparedTo: { sources: [source, source], destination } } }),
    },
    progressing(NEWEST_SPEC),
  ],
  "it has several sources, all of which were compared": [
    {
      ...settled,
      spec: { project: "default", destination, sources: [source, otherImage] },
      ...statusOf({ sync: { status: "Synced", comparedTo: { sources: [source, otherImage], destination } } }),
    },
    healthy,
  ],
  "a source was removed": [
    {
      ...settled,
      spec: { project: "default", destination, sources: [source] },
      ...statusOf({ sync: { status: "Synced", comparedTo: { sources: [source, otherImage], destination } } }),
    },
    progressing(NEWEST_SPEC),
  ],
  "its spec has empty fields that the comparison leaves out": [
    {
      ...settled,
      spec: {
        ...settled.spec,
        source: { ...source, directory: {}, chart: "", helm: { ...source.helm, skipCrds: false } },
      },
    },
    healthy,
  ],
  "a sync was requested and has not begun": [
    { ...settled, operation: { sync: {} } },
    progressing("successfully synced"),
  ],
  "a sync runs, and the objects look Healthy": [
    status({
      operationState: { phase: "Running", message: "waiting for healthy state of apps/Deployment/receiver" },
    }),
    progressing("waiting for healthy state of apps/Deployment/receiver"),
  ],
  "a sync runs while the objects are Degraded": [
    status({ health: { status: "Degraded" }, operationState: { phase: "Running" } }),
    progressing("a sync is running"),
  ],
  "a sync is being terminated": [
    status({ operationState: { phase: "Terminating", message: "operation is terminating" } }),
    progressing("operation is terminating"),
  ],
  "it is OutOfSync and was never synced": [
    status({ sync: outOfSync, operationState: undefined }),
    progressing("waiting for the first sync"),
  ],
  "it is OutOfSync and the sync has failed": [
    status({
      sync: outOfSync,
      operationState: { phase: "Failed", message: "one or more objects failed to apply" },
    }),
    progressing("one or more objects failed to apply"),
  ],
  "the sync has just ended, and the status still has the old health and sync": [
    status({ sync: outOfSync, reconciledAt: "2026-01-05T09:30:07Z" }),
    progressing(RESULT),
  ],
  "the sync ended in the same second as the last comparison": [
    status({ sync: outOfSync, reconciledAt: SYNC_ENDED }),
    progressing(RESULT),
  ],
  "it is OutOfSync after each sync, and was compared after that": [status({ sync: outOfSync }), healthy],
  "it is OutOfSync after the sync, and self-heal has not tried again": [
    { ...selfHealing, ...statusOf({ sync: outOfSync }) },
    progressing(RESULT),
  ],
  "it is OutOfSync after self-heal has tried again": [
    { ...selfHealing, ...statusOf({ sync: outOfSync, operationState: triedAgain }) },
    healthy,
  ],
  "it is Synced without a sync, because all objects existed already": [
    status({ operationState: undefined }),
    healthy,
  ],
  "the image was changed after self-heal had tried the old image again, and the new sync has not begun": [
    {
      ...selfHealing,
      spec: { ...selfHealing.spec, source: otherImage },
      ...statusOf({
        sync: { ...outOfSync, comparedTo: { source: otherImage, destination } },
        operationState: triedAgain,
      }),
    },
    progressing("waiting for a sync of the newest spec"),
  ],
  "it is OutOfSync after each sync, and has several sources": [
    {
      ...settled,
      spec: { project: "default", destination, sources: [source, otherImage] },
      ...statusOf({
        sync: { ...outOfSync, comparedTo: { sources: [source, otherImage], destination } },
        operationState: {
          ...settled.status.operationState,
          syncResult: { revisions: ["a1", "b2"], sources: [source, otherImage], source: {} },
        },
      }),
    },
    healthy,
  ],
  "it is Degraded": [
    status({ health: { status: "Degraded", message: "a Deployment exceeded its progress deadline" } }),
    { status: "Degraded", message: "a Deployment exceeded its progress deadline" },
  ],
  "it is Suspended": [status({ health: { status: "Suspended" } }), { status: "Suspended" }],
};

describe("the health of an Application in an app of apps", () => {
  test.each(Object.entries(rows))("is right when %s", async (_, [object, want]) => {
    for (const openLibs of [true, false]) {
      const [answer] = await healthOf([{ script, object, openLibs }]);
      expect(answer?.error).toBeUndefined();
      expect({ ...answer?.returned, message: answer?.returned?.message || undefined }).toEqual({
        message: undefined,
        ...want,
      });
    }
  });

  test("is found without an error, even when the Application is malformed", async () => {
    const odd = [null, "x", 1, true, [], [1], {}];
    const objects = odd.flatMap((value) => [
      { ...settled, spec: value },
      { ...settled, status: value },
      ...["health", "sync", "operationState", "reconciledAt"].map((key) => status({ [key]: value })),
      status({ sync: outOfSync, operationState: { phase: value, finishedAt: value, message: value } }),
      status({ sync: { status: value, comparedTo: value } }),
    ]);
    for (const [at, answer] of (await healthOf(objects.map((object) => ({ script, object })))).entries()) {
      expect(answer.error, JSON.stringify(objects[at])).toBeUndefined();
      expect(answer.returned?.status, JSON.stringify(objects[at])).toEqual(expect.any(String));
    }
  });
});
