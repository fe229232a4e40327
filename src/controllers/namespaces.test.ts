import { expect, test } from "vitest";
import type { KubeClient } from "../kube/client/client.ts";
import { NamespaceUids } from "./namespaces.ts";

test("a caller that gives up does not cancel the request for a namespace's UID that other callers share", async () => {
  const answer = Promise.withResolvers<unknown>();
  let asked = 0;
  // Like the real client, this stand-in ends a request when its signal aborts.
  const get = (_type: unknown, _ref: unknown, signal?: AbortSignal) => {
    asked++;
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      answer.promise.then(resolve);
    });
  };
  const namespaces = new NamespaceUids({ get } as unknown as KubeClient);
  const impatient = new AbortController();
  const left = namespaces.uidOf("team", impatient.signal);
  const stayed = namespaces.uidOf("team", new AbortController().signal);
  impatient.abort(new Error("gave up"));
  await expect(left).rejects.toThrow("gave up");
  answer.resolve({ metadata: { uid: "u" } });
  expect(await stayed).toBe("u");
  expect(asked).toBe(1);
});
