import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Informer } from "../../src/kube/watch/informer.ts";
import { silentLog } from "../../src/log.ts";
import { type ControlPlane, startControlPlane } from "../support/controlplane/controlplane.ts";
import { applyWidgetKind, loadClient, until, type Widget, widget, widgets } from "./widgets.ts";

// This file kills the API server, so it starts its own control plane. It is skipped when the tests use a given cluster.
const own = process.env.KUBECONFIG === undefined || process.env.KUBECONFIG === "";
const namespace = "default";
let controlPlane: ControlPlane;
let client: KubeClient;

beforeAll(async () => {
  if (!own) return;
  controlPlane = await startControlPlane({ log: silentLog });
  client = loadClient(controlPlane.kubeconfig);
  await applyWidgetKind(client);
});
afterAll(async () => {
  await client?.close();
  await controlPlane?.stop();
});

test.runIf(own)(
  "no change is missed or reported twice when the API server is killed and comes back",
  async () => {
    const informer = new Informer<Widget>({ client, type: widgets, clock: systemClock, log: silentLog });
    const changes: string[] = [];
    informer.onChange(({ type, object }) => changes.push(`${type} ${object.metadata.name}`));
    informer.start();
    await informer.synced;
    await client.create(widgets, widget(namespace, "before"));
    await until("the first is seen", () => changes.length === 1);

    await controlPlane.stopApiServer("SIGKILL");
    await until("the loss is noticed", () => informer.problem() !== undefined);
    expect(informer.store.size).toBe(1);
    await controlPlane.startApiServer();
    await client.create(widgets, widget(namespace, "after"));
    await client.delete(widgets, { namespace, name: "before" });
    await until("what happened since is seen", () => changes.length === 3);
    expect([...changes].sort()).toEqual(["added after", "added before", "deleted before"]);
    await until("nothing is wrong any more", () => informer.problem() === undefined);
    await informer.stop();
  },
  120_000,
);
