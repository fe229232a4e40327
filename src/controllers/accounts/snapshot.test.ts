import { describe, expect, test } from "vitest";
import { failureFrom, faultFrom } from "../../twilio/fault.ts";
import { operations } from "../../twilio/operations.ts";
import type { TwilioAccount } from "../../twilio/twilio.ts";
import { readSurroundings } from "./snapshot.ts";

const options = { lane: "resync" as const, signal: new AbortController().signal };
const failing = (status: number) => () =>
  Promise.reject(failureFrom(faultFrom("ListShortCodes", status, "<html>"), operations.ListShortCodes));
/** What each call for a list answers: rows, or an error in a form that is not Twilio's. */
type Lists = Partial<Record<keyof TwilioAccount, () => Promise<object[] | string[]>>>;
const some: Lists = {
  listMessagingServices: async () => [
    { sid: "MG1", useInboundWebhookOnNumber: false, inboundRequestUrl: "" },
  ],
  listShortCodes: async () => [{ kind: "shortCode", sid: "SC1", phoneNumber: "12345" }],
  listServiceNumbers: async () => ["PN1"],
  listServiceShortCodes: async () => ["SC1"],
  listConversationsAddresses: async () => [{ address: "+14252306549", autoCreation: true }],
};
const none = async () => [];
const account = (lists: Lists) => ({ ...some, ...lists }) as unknown as TwilioAccount;
const unavailable = { reason: "TwilioUnavailable" };

describe("a list that answers 404 in a form that is not Twilio's", () => {
  const optional: [
    list: keyof TwilioAccount,
    has: (read: Awaited<ReturnType<typeof readSurroundings>>) => number,
  ][] = [
    ["listShortCodes", ({ shortCodes }) => shortCodes.length],
    ["listConversationsAddresses", ({ conversations }) => conversations.size],
    ["listServiceNumbers", ({ services }) => [...services.keys()].filter((sid) => sid === "PN1").length],
    ["listServiceShortCodes", ({ services }) => [...services.keys()].filter((sid) => sid === "SC1").length],
  ];
  for (const [list, has] of optional) {
    const missing = account({ [list]: failing(404) });

    test(`counts as empty when nothing was read before: ${list}`, async () => {
      const first = await readSurroundings(missing, options, 1);
      expect(has(first)).toBe(0);
      expect(has(await readSurroundings(missing, options, 2, first))).toBe(0);
    });
    test(`counts as empty when it was empty before: ${list}`, async () => {
      const before = await readSurroundings(account({ [list]: none }), options, 1);
      expect(has(await readSurroundings(missing, options, 2, before))).toBe(0);
    });
    test(`counts as unavailable when it had entries before: ${list}`, async () => {
      const before = await readSurroundings(account({}), options, 1);
      expect(has(before)).toBe(1);
      await expect(readSurroundings(missing, options, 2, before)).rejects.toMatchObject(unavailable);
    });
    test(`counts as empty when its last proper answer was empty: ${list}`, async () => {
      const some = await readSurroundings(account({}), options, 1);
      const before = await readSurroundings(account({ [list]: none }), options, 2, some);
      expect(has(await readSurroundings(missing, options, 3, before))).toBe(0);
    });
    for (const status of [401, 403, 407, 451, 500])
      test(`counts as unavailable with ${status} in place of 404, even if nothing was read before: ${list}`, () =>
        expect(readSurroundings(account({ [list]: failing(status) }), options, 1)).rejects.toMatchObject(
          unavailable,
        ));
  }

  test("counts as empty for one service although another service has numbers", async () => {
    const before = await readSurroundings(account({}), options, 1);
    const listMessagingServices = async () =>
      ["MG1", "MG2"].map((sid) => ({ sid, useInboundWebhookOnNumber: false, inboundRequestUrl: "" }));
    const listServiceNumbers = ((sid: string) =>
      sid === "MG1" ? Promise.resolve(["PN1"]) : failing(404)()) as unknown as () => Promise<string[]>;
    const lists = { listMessagingServices, listServiceNumbers, listServiceShortCodes: none };
    const { services } = await readSurroundings(account(lists), options, 2, before);
    expect([...services].map(([sid, { serviceSid }]) => [sid, serviceSid])).toEqual([["PN1", "MG1"]]);
  });
  test("makes the whole reading fail when it is the list of services", () =>
    expect(
      readSurroundings(account({ listMessagingServices: failing(404) }), options, 1),
    ).rejects.toMatchObject(unavailable));
});
