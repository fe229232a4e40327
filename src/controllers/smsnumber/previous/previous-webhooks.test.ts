import { describe, expect, test } from "vitest";
import type { KubeClient } from "../../../kube/client/client.ts";
import type { Secret } from "../../../kube/resource.ts";
import { createLog } from "../../../log.ts";
import { previousPrefix } from "../../../routes/secrets.ts";
import { createPreviousWebhooks } from "./previous-webhooks.ts";

const INSTANCE = "operator/test";
const name = `${previousPrefix(INSTANCE)}uid`;

/** A store of saved webhooks with one Secret, which holds `text`. */
function previousOf(text: string) {
  const lines: string[] = [];
  const secret = {
    metadata: { namespace: "operator", name },
    data: { "webhook.json": Buffer.from(text).toString("base64") },
  } as unknown as Secret;
  const client = {
    get: async (_type: unknown, ref: { name: string }) => (ref.name === name ? secret : undefined),
  } as unknown as KubeClient;
  const log = createLog({
    level: "warn",
    process: "test",
    destination: { write: (l) => void lines.push(l) },
  });
  const previous = createPreviousWebhooks({ client, log, namespace: "operator", instance: INSTANCE });
  return { lines, read: () => previous.read("uid", new AbortController().signal) };
}

describe("a saved webhook that was damaged is ignored, and the log names only its Secret", () => {
  const texts = {
    "the content is not JSON": "https://bot:s3cret@legacy.example.com/",
    "the JSON ends in the middle": '{"smsUrl":"https://bot:s3cret@legacy.example.com/',
    "the content is empty": "",
    "the JSON is null": "null",
    "the JSON is a string": '"s3cret"',
    "the JSON is a list": '["s3cret"]',
    "a field is missing": '{"smsUrl":"https://bot:s3cret@legacy.example.com/"}',
  };
  for (const [what, text] of Object.entries(texts))
    test(what, async () => {
      const { lines, read } = previousOf(text);
      expect(await read()).toBeUndefined();
      expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ secret: `operator/${name}` }]);
      expect(lines.join()).not.toMatch(/s3cret|legacy/);
    });
});

test("an undamaged webhook is read as it was saved, and nothing is logged", async () => {
  const webhook = {
    ...{ smsUrl: "https://legacy.example.com/", smsMethod: "GET", smsFallbackUrl: "" },
    ...{ smsFallbackMethod: "POST", smsApplicationSid: "" },
  };
  const { lines, read } = previousOf(JSON.stringify(webhook));
  expect(await read()).toEqual(webhook);
  expect(lines).toEqual([]);
});
