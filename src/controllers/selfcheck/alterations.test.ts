import { describe, expect, test } from "vitest";
import type { Report } from "../../routes/challenge.ts";
import { alterations } from "./alterations.ts";
import { twilioLike } from "./request.ts";

// test/selfcheck/spoils.test.ts tests each way of changing a request with requests over the network. The tests here
// cover combined changes and hostile content.

const url = "https://sms.example.com/inbound/team/support";
const key = { namespaceUid: "u", stream: "support", accountSid: "AC1", checkKey: "a2V5" };
const sent = { ...twilioLike({ ...key, url }, "odd", 0), url };
const arrived = (more: Partial<Report>): Report => ({
  generation: 1,
  storeTakes: true,
  fits: false,
  method: "POST",
  target: "/inbound/team/support",
  contentType: sent.headers["content-type"]!,
  signature: sent.headers["x-twilio-signature"]!,
  body: Buffer.from(sent.body).toString("base64"),
  ...more,
});
const body = (change: (text: string) => string) => Buffer.from(change(sent.body)).toString("base64");
const said = (more: Partial<Report>) => alterations(sent, arrived(more)).map(({ what }) => what);

describe("the changes of a request that a self-check reports", () => {
  test("are none if nothing differs", () => expect(said({})).toEqual([]));
  test("include every difference, the most serious first", () =>
    expect(
      said({
        target: "/inbound/team/support/",
        signature: "x",
        body: body((text) => text.replace("&ToState=", "").replaceAll("%F0%9F%93%A6", "")),
      }),
    ).toEqual([
      "a slash is appended to the path",
      "the header X-Twilio-Signature is changed",
      "empty fields are dropped",
      "emoji are removed or replaced",
    ]));
  test("quote only plain characters of a path, and not more than 120", () =>
    expect(said({ target: `/<script>\u0007${"x".repeat(500)}` })[0]).toMatch(
      /^the path becomes \/scriptx{113}$/,
    ));
  test("include a body that is not a form", () =>
    expect(said({ body: Buffer.from([0xff, 0xfe, 0, 1]).toString("base64") })).toEqual([
      "the body becomes something else",
    ]));
  test("include a body with more fields than the parser reads", () =>
    expect(said({ body: Buffer.from("a=1&".repeat(2000)).toString("base64") })).toEqual([
      "the body becomes something else",
    ]));
});
