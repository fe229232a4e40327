import { beforeEach, expect, test } from "vitest";
import type { KubeClient } from "../../kube/client/client.ts";
import { createSecretReader, type SecretReader } from "./secret-reader.ts";

const ref = { namespace: "team", name: "twilio" };
const { signal } = new AbortController();
const base64 = (text: string) => Buffer.from(text).toString("base64");

let content: Record<string, string>;
let users: number;
let fetched: number;
let whileFetching: () => void;
let reader: SecretReader;

beforeEach(() => {
  content = { accountSid: base64("AC1"), authToken: base64("secret\n") };
  users = 1;
  fetched = 0;
  whileFetching = () => {};
  const metadata = { ...ref, uid: "u", resourceVersion: "1" };
  const client = {
    get: async () => {
      fetched++;
      whileFetching();
      return { apiVersion: "v1", kind: "Secret", metadata, data: content };
    },
  };
  reader = createSecretReader({
    client: client as unknown as KubeClient,
    metadata: { get: () => ({ apiVersion: "v1", kind: "Secret", metadata }) },
    knows: () => true,
    used: () => users > 0,
  });
});

test("a Secret is fetched once for each version", async () => {
  const { data, version } = await reader.read(ref, signal);
  expect(data).toEqual({ accountSid: "AC1", authToken: "secret\n" });
  expect(version).toBe("1");
  await reader.read(ref, signal);
  expect(fetched).toBe(1);
});

test("the reader keeps only those keys of a Secret that credentials use", async () => {
  content = { ...content, "kubeconfig.yaml": base64("clusters: []"), apiKeySecret: base64("s") };
  expect(Object.keys((await reader.read(ref, signal)).data)).toEqual([
    "accountSid",
    "authToken",
    "apiKeySecret",
  ]);
});

test("the reader keeps only the beginning of a value that is too long for a credential", async () => {
  content = { ...content, authToken: base64("x".repeat(500_000)) };
  const { authToken } = (await reader.read(ref, signal)).data;
  expect(authToken!.length).toBeGreaterThan(256);
  expect(authToken!.length).toBeLessThan(10_000);
});

test("the content of a Secret is kept until the last stream stops using it", async () => {
  users = 2;
  await reader.read(ref, signal);
  users = 1;
  reader.stoppedUsing(ref);
  await reader.read(ref, signal);
  expect(fetched).toBe(1);
  users = 0;
  reader.stoppedUsing(ref);
  users = 1;
  await reader.read(ref, signal);
  expect(fetched).toBe(2);
});

test("the content of a Secret is not kept when the last stream that uses it is deleted during the fetch", async () => {
  whileFetching = () => {
    users = 0;
    reader.stoppedUsing(ref);
  };
  await reader.read(ref, signal);
  users = 1;
  await reader.read(ref, signal);
  expect(fetched).toBe(2);
});
