import { afterAll, beforeAll, expect, test } from "vitest";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import { silentLog } from "../../src/log.ts";
import { type ControlPlane, startControlPlane } from "../support/controlplane/controlplane.ts";
import { applyCrds } from "../support/crds.ts";
import { eventually } from "../support/eventually.ts";
import { NUMBER } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

// This test needs a control plane of its own, because it sets the store of the API server back. So it is skipped on
// an existing cluster and on k3s.
const own = process.env.TEST_USE_KUBECONFIG !== "1";
let controlPlane: ControlPlane;
let world: World;

beforeAll(async () => {
  if (!own) return;
  controlPlane = await startControlPlane({ log: silentLog });
  await applyCrds(controlPlane.kubeconfig);
  world = await World.start({ kubeconfig: controlPlane.kubeconfig, namespaces: 2 });
});
afterAll(async () => {
  await world?.stop();
  await controlPlane?.stop();
});

test.runIf(own)(
  "after a backup of the cluster is restored, the operator works with the restored objects and its own claims",
  async (context) => {
    if (controlPlane.saveStore === undefined) return context.skip();
    const [, second] = world.namespaces as [string, string];
    await world.wired();
    // An SmsNumber in another namespace, with credentials of the same account, waits for the number.
    await world.secret({}, { namespace: second });
    await world.stream({}, { namespace: second });
    await world.number({}, { namespace: second });
    await world.numberIs("line", { Accepted: "NumberAlreadyClaimed" }, second);
    const restore = await controlPlane.saveStore();

    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    await world.numberIs("line", { Ready: "True" }, second);
    await world.stream({}, { name: "made-since" });
    await world.streamIs("made-since", { CredentialsValid: "True", Ready: "True" });

    await restore();
    // After the restore, the stream that was created after the backup is gone.
    await eventually("the stream is gone for the operator, too", () => {
      const { store } = world.operators[0]!.operator.watches.workStreams;
      return store.get(world.namespace, "made-since") === undefined ? true : undefined;
    });
    // According to the restored status the SmsNumbers of two namespaces hold the number. The SmsNumber that has the
    // claim must keep the number.
    await eventually(
      "the object that lost the number says so",
      // On a busy machine the operator may first have to get its Lease back.
      async () => {
        const number = await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" });
        return number?.status?.conditions?.find(({ type }) => type === "Accepted")?.reason ===
          "NumberAlreadyClaimed"
          ? true
          : undefined;
      },
      90_000,
    );
    await world.numberIs("line", { Accepted: "NumberAlreadyClaimed", Ready: "False" });
    await world.numberIs("line", { Ready: "True" }, second);
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl("support", second));
    // The receiver's Secrets were set back too. Texts arrive because the operator has written these Secrets again.
    await eventually("a text is taken", async () =>
      (await world.text(NUMBER)).outcome === "delivered" ? true : undefined,
    );
    // After the restore the operator sees changes of old objects, and new objects.
    await world.stream({ displayName: "after the restore" });
    await world.streamIs("support", { Ready: "True" });
    await world.stream({}, { name: "later" });
    await world.streamIs("later", { Ready: "True" });
    expect(await world.client.get(workStreams, { namespace: world.namespace, name: "made-since" })).toBe(
      undefined,
    );
  },
  180_000,
);
