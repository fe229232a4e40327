import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { KubeClient } from "../../kube/client/client.ts";
import type { Secret } from "../../kube/resource.ts";
import type { RouteRecord } from "./record.ts";
import { createSecretStore } from "./secret-store.ts";

const route: RouteRecord = {
  namespace: "team",
  namespaceUid: "uid",
  stream: "support",
  accountSid: "AC1",
  credentials: { accountSid: "AC1", authToken: "secret" },
  tokens: [{ token: "secret" }],
  checkKey: Buffer.alloc(32).toString("base64"),
  urls: [],
  numbers: [],
  generation: 1,
};

/** A store on an API server that has no Secrets yet. Each Secret is created once `allow` resolves for its name. */
function store(allow: (name: string) => Promise<void>) {
  const begun: string[] = [];
  const ended: string[] = [];
  const stop = new AbortController();
  const client = {
    get: async () => undefined,
    create: async (_type: unknown, secret: Secret, _options: unknown, signal?: AbortSignal) => {
      const { name } = secret.metadata;
      begun.push(name);
      await allow(name);
      signal?.throwIfAborted();
      ended.push(name);
      return { metadata: { resourceVersion: "1" } };
    },
  } as unknown as KubeClient;
  const secretStore = createSecretStore({
    client,
    namespace: "ns",
    instance: "ns/sms",
    shards: 1,
    signal: stop.signal,
  });
  return { save: () => secretStore.save(0, { routes: [route], claims: [] }), begun, ended, stop };
}

test("the receivers' Secret is written first and does not wait for the Secret with the records", async () => {
  const receiver = Promise.withResolvers<void>();
  const { save, begun, ended } = store(async (name) => {
    if (name === "sms-receiver-0") receiver.resolve();
    // The write of the records ends only after the write of the receivers' part has begun.
    if (name === "sms-controller-0") await receiver.promise;
  });
  await save();
  expect(begun[0]).toBe("sms-receiver-0");
  expect(ended).toEqual(["sms-receiver-0", "sms-controller-0"]);
});

test("a stop does not abort the writes that were sent, and no later save writes anything", async () => {
  const sent = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const { save, begun, ended, stop } = store(async (name) => {
    if (name === "sms-controller-0") sent.resolve();
    await answer.promise;
  });
  const saved = save();
  await sent.promise;
  stop.abort(new Error("stopped"));
  answer.resolve();
  await saved;
  expect(ended).toHaveLength(2);
  await expect(save()).rejects.toThrow("stopped");
  expect(begun).toHaveLength(2);
});

for (const broken of ["sms-receiver-0", "sms-controller-0"])
  test(`a save whose write of ${broken} fails is reported as failed, and still writes the other Secret`, async () => {
    const { save, ended } = store(async (name) => {
      if (name === broken) throw new Error(`${name} is refused`);
    });
    await expect(save()).rejects.toThrow(`${broken} is refused`);
    const others = ["sms-receiver-0", "sms-controller-0"].filter((name) => name !== broken);
    expect(ended).toEqual(others);
  });

test("the error about a damaged Secret quotes none of its content", async () => {
  const data = { "records.v1.json.gz": gzipSync('{"authToken": s3cret').toString("base64") };
  const client = { get: async () => ({ metadata: { name: "sms-controller-0" }, data }) };
  const { load } = createSecretStore({
    client: client as unknown as KubeClient,
    ...{ namespace: "ns", instance: "ns/sms", shards: 1 },
    signal: new AbortController().signal,
  });
  const error: Error = await load(0).then(
    () => expect.fail("it was read"),
    (reason) => reason,
  );
  expect(error.message).toContain("ns/sms-controller-0 is damaged");
  expect(`${error.stack} ${String(error.cause)}`).not.toContain("s3cret");
});
