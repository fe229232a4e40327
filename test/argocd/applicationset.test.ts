import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import { eventually } from "../support/eventually.ts";
import { World } from "../support/world.ts";
import { ArgoCd, applicationSets } from "./argocd.ts";
import { adapted, channel, example } from "./examples.ts";

const NUMBER = "support-line";
let world: World;
let argocd: ArgoCd;
beforeAll(async () => {
  [world, argocd] = await Promise.all([World.start(), ArgoCd.start()]);
});
afterAll(async () => {
  await argocd.stop();
  await world.stop();
});

test("an ApplicationSet creates a channel for each team's folder, and deletes the channel with the folder", async () => {
  world.startOperator();
  const before = world.webhook();
  const team = Object.entries(channel()).map(([path, text]): [string, string] => [
    path.replace("examples/", `teams/${world.namespace}/`),
    text,
  ]);
  const others = { "README.md": "One folder per team." };
  await argocd.commit({ ...others, ...Object.fromEntries(team) });
  await argocd.apply(
    parse(adapted(argocd.repoUrl, { argocd: argocd.namespace })[example("applicationset.yaml")]!),
    applicationSets,
  );
  const name = `sms-channel-${world.namespace}`;
  await refreshed();
  await eventually("the team's Application", () => argocd.get(name));
  await argocd.is(name, "Healthy");
  await world.numberIs(NUMBER, { Ready: "True" });

  await argocd.commit(others);
  await refreshed();
  await argocd.gone(name);
  const { namespace } = world;
  expect(await world.client.get(smsNumbers, { namespace, name: NUMBER })).toBeUndefined();
  expect(await world.client.get(workStreams, { namespace, name: "support" })).toBeUndefined();
  expect(world.webhook()).toEqual(before);
});

/** Makes Argo CD read Git now. By default it reads Git every three minutes. */
async function refreshed() {
  const mark = { metadata: { annotations: { "argocd.argoproj.io/application-set-refresh": "true" } } };
  await argocd.client.patch(applicationSets, { namespace: argocd.namespace, name: "sms-channels" }, mark);
}
