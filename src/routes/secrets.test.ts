import { expect, test } from "vitest";
import { leaseName, previousPrefix, secretName, shardOf, testSecretName } from "./secrets.ts";

test("a stream's shard depends on its name alone, and streams are spread evenly over the shards", () => {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 1000; i++) counts[shardOf(`team-${i}`, "support", 4)]!++;
  expect(Math.min(...counts)).toBeGreaterThan(200);
  expect(shardOf("team-1", "support", 4)).toBe(shardOf("team-1", "support", 4));
});

test("the names of our Secrets and Lease are made from the name of the Helm release alone", () => {
  expect(secretName("sms/my-release", "receiver", 3)).toBe("my-release-receiver-3");
  expect(leaseName("sms/my-release")).toBe("my-release-controller");
  expect(testSecretName("sms/my-release")).toBe("my-release-test");
  expect(previousPrefix("sms/my-release")).toBe("my-release-previous-");
});

test("names of Secrets are DNS names and differ when releases differ", () => {
  const odd = [secretName("sms/My Release", "receiver", 0), secretName("sms/my release", "receiver", 0)];
  expect(new Set(odd).size).toBe(2);
  for (const name of [
    ...odd,
    secretName(`sms/${"x".repeat(300)}`, "receiver", 0),
    secretName("sms/%", "receiver", 0),
  ])
    expect(name).toMatch(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
});
