import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Informer } from "../../src/kube/watch/informer.ts";
import { silentLog } from "../../src/log.ts";
import { type ControlPlane, startControlPlane } from "../support/controlplane/controlplane.ts";
import type { RestoreOptions } from "../support/controlplane/processes.ts";
import { type CuttingProxy, cuttingProxy } from "./proxy.ts";
import { applyWidgetKind, loadClient, until, type Widget, widget, widgets } from "./widgets.ts";

// This file sets the API server's store back, so it starts its own control plane. A given cluster, or k3s, is never set back.
const own = process.env.TEST_USE_KUBECONFIG !== "1";
const namespace = "default";
let controlPlane: ControlPlane;
let admin: KubeClient;
let proxy: CuttingProxy;
let client: KubeClient;

beforeAll(async () => {
  if (!own) return;
  controlPlane = await startControlPlane({ log: silentLog });
  admin = loadClient(controlPlane.kubeconfig);
  await applyWidgetKind(admin);
  proxy = await cuttingProxy(controlPlane.kubeconfig);
  client = loadClient(proxy.kubeconfig);
});
afterAll(async () => {
  await client?.close();
  await proxy?.close();
  await admin?.close();
  await controlPlane?.stop();
});

function watchWidgets(silentAfterMs = 100_000) {
  const informer = new Informer<Widget>({
    client,
    type: widgets,
    clock: systemClock,
    log: silentLog,
    silentAfterMs,
  });
  let rewound = 0;
  const changes: string[] = [];
  informer.onChange(({ type, object }) => changes.push(`${type} ${object.metadata.name}`));
  informer.onRewound(() => rewound++);
  informer.start();
  return { informer, changes, rewound: () => rewound };
}
const create = (...names: string[]) =>
  Promise.all(names.map((name) => admin.create(widgets, widget(namespace, name, { size: 1 }))));
const resize = (name: string, size: number) => admin.patch(widgets, { namespace, name }, { spec: { size } });
const clear = async () => {
  const { items } = await admin.list(widgets, { namespace });
  for (const { metadata } of items) await admin.delete(widgets, metadata);
};
const text = (items: Widget[]) => items.map(({ metadata, spec }) => `${metadata.name}=${spec.size}`).sort();

interface RestoreRow {
  /** The number of writes between the backup and its restore, in addition to an edit, a deletion and a creation. */
  writesBefore: number;
  /** The number of writes after the restore, while the informer has no connection. */
  writesAfter: number;
  silentAfterMs?: number;
  restore?: RestoreOptions;
  /** Whether the informer itself notices, by its versions, that the server was set back. */
  rewound: boolean;
}
const rows: Record<string, RestoreRow> = {
  "an API server that comes back with an older store": { writesBefore: 20, writesAfter: 0, rewound: true },
  "an older store that was written past the informer's version while the informer had no connection": {
    writesBefore: 0,
    writesAfter: 60,
    silentAfterMs: 1000,
    rewound: false,
  },
};

describe.runIf(own)("after a backup of the cluster was restored", () => {
  for (const [name, row] of Object.entries(rows))
    test(`the informer sees the real state of ${name}, and its later changes`, async (context) => {
      if (controlPlane.saveStore === undefined) return context.skip();
      await clear();
      await create("edited", "deleted", "same");
      const restore = await controlPlane.saveStore();
      const { informer, changes, rewound } = watchWidgets(row.silentAfterMs);
      await informer.synced;
      await resize("edited", 2);
      await admin.delete(widgets, { namespace, name: "deleted" });
      await create("made-since");
      for (let at = 0; at < row.writesBefore; at++) await resize("same", 100 + at);
      await until("all is seen", () => changes.length >= 6 + row.writesBefore);
      changes.length = 0;

      await proxy.down();
      await restore(row.restore);
      // This edit gives the object the same generation as before the restore.
      await resize("edited", 3);
      for (let at = 0; at < row.writesAfter; at++) await resize("same", 200 + at);
      if (row.silentAfterMs !== undefined)
        await until("the outage is long", () => informer.problem() !== undefined);
      await proxy.up();

      const actual = async () => text((await admin.list(widgets, { namespace })).items);
      await until(
        "the store is as the server is",
        async () => [...text(informer.store.list())].join() === (await actual()).join(),
        // A try that failed is followed by a pause of up to 30 s.
        90_000,
      );
      expect(text(informer.store.list()).slice(0, 2)).toEqual(["deleted=1", "edited=3"]);
      expect(changes).toContain("deleted made-since");
      expect(changes).toContain("added deleted");
      expect(rewound()).toBe(row.rewound ? 1 : 0);
      await create("later");
      await resize("edited", 4);
      await until(
        "what happens after it is seen",
        () => informer.store.get(namespace, "edited")?.spec.size === 4,
      );
      expect(informer.store.get(namespace, "later")).toBeDefined();
      expect(informer.problem()).toBeUndefined();
      await informer.stop();
    }, 180_000);
});
