import { afterEach, beforeEach, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { CONNECTION_OVERRIDES } from "../../src/twilio/connection-overrides.ts";
import { eventually } from "../support/eventually.ts";
import { COMPLIANCE_REPLIES } from "../support/world/manifests.ts";
import { NUMBER } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

// Twilio's list of numbers can be incomplete, for example when it comes from a database replica that lags behind.
const CODE = "894546";
const LIST = "ListIncomingPhoneNumber";
const FETCH = "FetchIncomingPhoneNumber";

let world: World;
beforeEach(async () => {
  world = await World.start({ config: { resyncIntervalMs: 300 } });
  await world.wired();
});
afterEach(() => world.stop());

const calls = (name: string) =>
  world.simulator.control.requests().filter(({ operation }) => operation === name).length;
/**
 * Waits for three more calls of this operation. When the third comes, the operator has processed the answer to the
 * first.
 */
const more = async (name: string) => {
  const seen = calls(name);
  await eventually(`three more of ${name}`, () => (calls(name) >= seen + 3 ? true : undefined));
};

test("a number that is missing in Twilio's list keeps its claim, and its texts still reach its stream", async () => {
  expect(calls(FETCH)).toBe(0);
  world.simulator.control.faults({ kind: "listLacks", number: `+${NUMBER}`, operation: LIST });
  await more(FETCH);
  await world.numberIs("line", { Ready: "True", NumberFound: "True" });
  expect((await world.text()).outcome).toBe("delivered");
  expect(await world.stored()).toMatchObject([{ stream: "support", kind: "inbound" }]);

  // For each list that lacks the number the operator fetches the number once. For a complete list it does not fetch it.
  world.simulator.control.clearFaults();
  await more(LIST);
  const before = calls(FETCH);
  await more(LIST);
  expect(calls(FETCH)).toBe(before);
});

test("a number that has really left the account loses its claim", async () => {
  world.simulator.state.releaseNumber(world.atTwilio().sid);
  const number = await world.numberIs("line", { NumberFound: "NumberNotInAccount" });
  expect(number.status?.configuredUrl).toBeUndefined();
  expect(calls(FETCH)).toBe(1);
});

test("no other number gets a stream while the stream's number is missing in the list and cannot be fetched", async () => {
  await world.number({ number: "14252306554" }, { name: "late" });
  await world.numberIs("late", { Accepted: "WorkStreamAlreadyHasNumber" });
  world.simulator.control.faults([
    { kind: "listLacks", number: `+${NUMBER}`, operation: LIST },
    { kind: "status", status: 500, operation: FETCH },
  ]);
  await more(FETCH);
  await world.number({ number: "14252306554", description: "again" }, { name: "late" });
  await world.numberIs("late", { Accepted: "WorkStreamAlreadyHasNumber" });
  expect(world.atTwilio("14252306554").smsUrl).not.toContain(world.publicUrl);
  world.simulator.control.clearFaults();
  await world.numberIs("line", { Ready: "True" });
});

test("a short code that is missing in the first list is found in the second list", async () => {
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  const automatedMessages = COMPLIANCE_REPLIES;
  await world.number({ number: CODE, type: "ShortCode", automatedMessages });
  await world.numberIs("line", { Ready: "True" });
  await world.stopOperators();
  // Only the first list that the new process reads lacks the short code.
  world.simulator.control.faults({
    kind: "listLacks",
    number: CODE,
    operation: "ListShortCode",
    count: 1,
  });
  const before = calls("ListShortCode");
  world.startOperator();
  await eventually("looked for", () => (calls("ListShortCode") >= before + 2 ? true : undefined));
  await world.number({ number: CODE, type: "ShortCode", automatedMessages, description: "seen" });
  await world.numberIs("line", { Ready: "True" });
  const code = [...world.simulator.state.shortCodes].find(({ shortCode }) => shortCode === CODE);
  expect(code?.smsUrl).toBe(world.inboundUrl() + CONNECTION_OVERRIDES);
});
