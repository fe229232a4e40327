import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { CHART, merge } from "../chart/helm.ts";
import { explainFailures } from "./failure.ts";
import { apply, kubectl, tryHelm } from "./kubectl.ts";
import { restrictedNamespace } from "./manifests.ts";
import { imageValues } from "./release.ts";

// `helm install` refuses values that cannot work, says why in a sentence, and creates nothing.

const namespace = `${inject("runId")}-refused`;
const good = {
  publicUrl: "https://sms.example.com",
  database: { existingSecret: "database" },
  ...imageValues(inject("image")),
};

explainFailures();
beforeAll(() => apply(restrictedNamespace(namespace)));
afterAll(() => kubectl(["delete", "namespace", namespace, "--timeout=120s"]));

const mistakes: Record<string, [values: object, sentence: RegExp]> = {
  "no public URL": [{ publicUrl: "" }, /publicUrl is empty: set it to the https URL/],
  "no database": [{ database: { existingSecret: "" } }, /database\.existingSecret is empty: name a Secret/],
  "an unknown key": [{ receiver: { replica: 3 } }, /replica/],
  "the image tag latest": [{ image: { tag: "latest" } }, /image\.tag is latest/],
};

describe("helm install refuses values with", () => {
  for (const [name, [values, sentence]] of Object.entries(mistakes))
    test(name, async () => {
      const args = ["install", "refused", CHART, "--namespace", namespace, "--values", "-"];
      const { code, stderr } = await tryHelm(args, merge(good, values));
      expect([code, stderr]).toEqual([1, expect.stringMatching(sentence)]);
      expect(await kubectl(["-n", namespace, "get", "deployments,secrets,jobs", "-o", "name"])).toBe("");
    });
});
