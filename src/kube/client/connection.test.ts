import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { loadConfig } from "./connection.ts";

afterEach(() => vi.unstubAllEnvs());

test("the error says what to set when there is no kubeconfig", () => {
  for (const name of ["KUBECONFIG", "KUBERNETES_SERVICE_HOST"]) vi.stubEnv(name, undefined);
  vi.stubEnv("HOME", mkdtempSync(join(tmpdir(), "sms-home-")));
  expect(() => loadConfig(undefined)).toThrow("KUBECONFIG is not set");
});

test("the error names a kubeconfig that does not exist", () =>
  expect(() => loadConfig("/nowhere/kubeconfig")).toThrow(
    "the kubeconfig /nowhere/kubeconfig cannot be read",
  ));
