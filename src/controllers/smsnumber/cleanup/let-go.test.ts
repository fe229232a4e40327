import { describe, expect, test } from "vitest";
import { type Reason, reasons } from "../../../api/reasons.ts";
import { Failure } from "../../../errors.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import {
  formerHostOf,
  LET_GO_REASONS,
  type LeftNumber,
  type LetGo,
  letGoAfter,
  letGoEvent,
  letGoFields,
} from "./let-go.ts";

const left: LeftNumber = {
  number: "14252306549",
  phoneNumberSid: "PN1",
  accountSid: "AC1",
  formerHost: "crm.example.com",
  keptIn: "sms/sms-previous-pn1",
};
const letGo = { reason: "TwilioUnauthorized", why: "Twilio refused the credentials (401)" };

describe("a number that was let go", () => {
  test("has an event that says why, where its texts went before, and how to put that back", () => {
    const { type, message } = letGoEvent(letGo, left);
    expect(type).toBe("Warning");
    expect(message).toMatch(
      /left as it is: Twilio refused the credentials \(401\); before, .* crm\.example\.com/,
    );
    expect(message).toMatch(/set it in Twilio's console, or apply an SmsNumber for it again/);
  });

  test("has a log line that says all of it by itself", () => {
    expect(letGoFields(letGo, left)).toMatchObject({ ...letGo, ...left, remedy: expect.any(String) });
  });

  test("is to be cleared by hand where nothing was there before", () => {
    const nothing = { ...left, formerHost: undefined, keptIn: undefined };
    expect(letGoEvent(letGo, nothing).message).toMatch(/nothing is known to have been there.*clear it/);
    expect(letGoFields(letGo, nothing).formerHost).toBe("none");
  });

  test("never has an event that is longer than Kubernetes accepts, whatever Twilio said", () => {
    const why = "x".repeat(400);
    expect(letGoEvent({ ...letGo, why }, left).message.length).toBeLessThan(1024);
  });
});

describe("the former host never tells a password, a path or a query", () => {
  const webhook = (more: Partial<Webhook>): Webhook => ({
    smsUrl: "",
    smsMethod: "POST",
    smsFallbackUrl: "",
    smsFallbackMethod: "POST",
    smsApplicationSid: "",
    ...more,
  });
  const rows: Record<string, [Partial<Webhook>, string | undefined]> = {
    "a URL with a password": [
      { smsUrl: "https://bot:s3cret@crm.example.com:8443/in?key=1" },
      "crm.example.com:8443",
    ],
    "no URL": [{}, undefined],
    "only a fallback": [{ smsFallbackUrl: "https://b.example.com/" }, undefined],
    "no URL that can be read": [{ smsUrl: "crm secret" }, "an unreadable URL"],
    "an application, whatever the URL": [
      { smsUrl: "https://crm.example.com/", smsApplicationSid: "AP1" },
      "a Twilio application",
    ],
  };
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(formerHostOf(webhook(given))).toBe(want));
});

test("every reason of a Failure that ends a deletion is counted from the start", () => {
  const ends = ["TwilioUnauthorized", "TwilioPermissionMissing", "TwilioRejected", "AccountSuspended"];
  const waits = ["TwilioThrottled", "TwilioUnavailable"];
  for (const reason of [...ends, ...waits, "NumberNotInAccount", "SecretNotFound"]) {
    expect(reasons).toHaveProperty(reason);
    expect(LET_GO_REASONS).toContain(reason);
  }
});

describe("letGoAfter decides whether a failure lets the number go", () => {
  const rows: Record<string, [Reason, boolean, LetGo | undefined]> = {
    "Twilio is away, and the deletion may wait: it is tried again": ["TwilioUnavailable", false, undefined],
    "Twilio is away, and the deletion has waited long enough": [
      "TwilioUnavailable",
      true,
      { reason: "TwilioUnavailable", why: "gave up after waiting for Twilio: it failed" },
    ],
    "Twilio slows us down, and the deletion has waited long enough": [
      "TwilioThrottled",
      true,
      { reason: "TwilioThrottled", why: "gave up after waiting for Twilio: it failed" },
    ],
    "the credentials are refused: no waiting helps": [
      "TwilioUnauthorized",
      false,
      { reason: "TwilioUnauthorized", why: "it failed" },
    ],
    "the number is no longer in the account": [
      "NumberNotInAccount",
      false,
      { reason: "NumberNotInAccount", why: "it failed" },
    ],
  };
  test.each(Object.entries(rows))("%s", (_, [reason, waitIsOver, want]) =>
    expect(letGoAfter(new Failure(reason, "it failed"), { waitIsOver })).toEqual(want));
});
