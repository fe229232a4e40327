import { readFileSync } from "node:fs";
import { Registry } from "@prometheus-io/client";
import { expect, test } from "vitest";
import { exposeBuild } from "./metrics.ts";

test("smschannel_build_info has labels with the version, the process and the Node version", async () => {
  const registry = new Registry();
  exposeBuild(registry, "controller");
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const labels = `version="${version}",process="controller",node="${process.versions.node}"`;
  expect(await registry.metrics()).toContain(`smschannel_build_info{${labels}} 1\n`);
});
