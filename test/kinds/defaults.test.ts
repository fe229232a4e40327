import { beforeAll, describe, expect, test } from "vitest";
import { effectiveNumber, effectiveStream } from "../../src/api/effective.ts";
import type { SmsNumber, WorkStream } from "../../src/api/index.ts";
import { newNamespace } from "../support/cluster.ts";
import { DryRunServer, type TestedObject, validatorSays } from "./both.ts";
import { hours, number, stream } from "./objects.ts";

const objects: Record<string, TestedObject> = {
  "the smallest WorkStream": stream(),
  "a WorkStream with empty objects everywhere": stream({
    "workDistribution.notification": {},
    "workDistribution.wrapUp": {},
    stateTimeouts: {},
    retention: {},
    media: {},
  }),
  "a WorkStream with nulls": stream({
    workDistribution: null,
    channel: null,
    media: null,
    displayName: null,
  }),
  "a WorkStream with a list of texts": stream({
    automatedMessages: [
      { trigger: "Help", text: "a" },
      { trigger: "Help", language: "es", text: "b" },
    ],
  }),
  "a WorkStream with other values": stream({
    "workDistribution.mode": "Pick",
    "workDistribution.capacity": 1,
    "workDistribution.notification.rejectable": false,
    pauseReplies: true,
  }),
  "the smallest SmsNumber": number(),
  "an SmsNumber with other values": number({ number: "894546", type: "ShortCode", takeover: "Always" }),
  "the smallest OperatingHours": hours(),
};

describe("the API server stores the defaults that the validator assumes", () => {
  let server: DryRunServer;
  beforeAll(async () => {
    server = new DryRunServer(await newNamespace("kinds"));
  });
  for (const [name, object] of Object.entries(objects)) {
    test(`for ${name}`, async () => {
      const stored = await server.create(object);
      expect(stored.message).toBe("");
      expect(validatorSays(object).object?.spec).toEqual(stored.object?.spec);
    });
  }

  test("the effective WorkStream is the same with and without stored defaults", async () => {
    const object = stream();
    const stored = (await server.create(object)).object as unknown as WorkStream;
    expect(effectiveStream(stored)).toEqual(effectiveStream(object as unknown as WorkStream));
  });

  test("the effective SmsNumber is the same with and without stored defaults", async () => {
    const object = number();
    const stored = (await server.create(object)).object as unknown as SmsNumber;
    expect(effectiveNumber(stored)).toEqual(effectiveNumber(object as unknown as SmsNumber));
  });
});
