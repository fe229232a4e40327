import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { defaultSeed } from "./default-seed.ts";
import { plant, type SimulatorSeed } from "./seed.ts";
import { SimulatorState } from "./state.ts";

const planted = (seed: SimulatorSeed) => {
  const state = new SimulatorState(new ManualClock());
  plant(seed, state);
  return state;
};
const accountSid = `AC${"0".repeat(31)}1`;
const accounts = [{ sid: accountSid }];

describe("a seed", () => {
  test("stays unchanged when a state that was made from it changes", () => {
    const first = planted(defaultSeed);
    for (const number of first.numbers) Object.assign(number.capabilities, { sms: !number.capabilities.sms });
    const [one] = planted(defaultSeed).numbers;
    expect(one!.capabilities.sms).toBe(true);
  });

  test("gives Twilio's defaults to fields that it leaves out", () => {
    const state = planted({
      accounts,
      numbers: [{ accountSid, phoneNumber: "+4930123456" }],
      mirrors: ["ie1"],
    });
    const [number] = state.numbers;
    expect([number!.sid, number!.smsUrl]).toEqual([
      `PN${"0".repeat(31)}1`,
      "https://demo.twilio.com/welcome/sms/reply/",
    ]);
    expect(state.region("ie1").accounts.get(accountSid)?.authToken).toBe(
      "simulator-auth-token-0000000001-ie1",
    );
  });

  const wrong: Record<string, [seed: object, sentence: string]> = {
    "an unknown field": [
      { accounts, phoneNumbers: [] },
      'seed: unknown field "phoneNumbers"; it takes accounts, keys',
    ],
    "an unknown field of a region": [
      { accounts, regions: { ie1: { number: [] } } },
      'seed: unknown field "number"',
    ],
    "a number whose account is missing": [
      { numbers: [{ accountSid, phoneNumber: "+4930123456" }] },
      `seed: numbers name the account ${accountSid}, which is not in region us1`,
    ],
    "a service with a sender that is missing": [
      { accounts, services: [{ accountSid, senders: ["PN1"] }] },
      "seed: services name the sender PN1, which is not in region us1",
    ],
    "a number that is not in the format E.164": [
      { accounts, numbers: [{ accountSid, phoneNumber: "030" }] },
      "030 is not in the format E.164",
    ],
    "a number that is listed twice": [
      { accounts, numbers: [1, 2].map(() => ({ accountSid, phoneNumber: "+4930123456" })) },
      "+4930123456 exists already",
    ],
  };
  for (const [name, [seed, sentence]] of Object.entries(wrong))
    test(`with ${name} is refused`, () => expect(() => planted(seed as SimulatorSeed)).toThrow(sentence));
});
