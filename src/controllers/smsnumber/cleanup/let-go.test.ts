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
  test("gets an event that says why, where its texts went before, and how to put the former webhook back", () => {
    const { type, message } = letGoEvent(letGo, left);
    expect(type).toBe("Warning");
    expect(message).toMatch(
      /left as it is: Twilio refused the credentials \(401\); before, .* crm\.example\.com/,
    );
    expect(message).toMatch(/set it in Twilio's console\. Or apply an SmsNumber for this number again/);
  });

  test("gets a log line with all facts of the event", () => {
    expect(letGoFields(letGo, left)).toMatchObject({ ...letGo, ...left, remedy: expect.any(String) });
  });

  test("gets the advice to clear the webhook when no earlier webhook is known", () => {
    const nothing = { ...left, formerHost: undefined, keptIn: undefined };
    expect(letGoEvent(letGo, nothing).message).toMatch(/no earlier webhook of the number is known.*clear it/);
    expect(letGoFields(letGo, nothing).formerHost).toBe("none");
  });

  test("gets an event that is never longer than Kubernetes accepts, whatever Twilio answered", () => {
    const why = "x".repeat(400);
    expect(letGoEvent({ ...letGo, why }, left).message.length).toBeLessThan(1024);
  });
});

describe("the former host in a message contains no password, path or query", () => {
  const webhook = (more: Partial<Webhook>): Webhook => ({
    smsUrl: "",
    smsMethod: "POST",
    smsFallbackUrl: "",
    smsFallbackMethod: "POST",
    smsApplicationSid: "",
    ...more,
  });
  const rows: Record<string, [Partial<Webhook>, string | undefined]> = {
    "for a URL with a password, the message names only host and port": [
      { smsUrl: "https://bot:s3cret@crm.example.com:8443/in?key=1" },
      "crm.example.com:8443",
    ],
    "without a URL, there is no former host": [{}, undefined],
    "with only a fallback URL, there is no former host": [
      { smsFallbackUrl: "https://b.example.com/" },
      undefined,
    ],
    "for an unreadable URL, the message says so and does not quote the URL": [
      { smsUrl: "crm secret" },
      "an unreadable URL",
    ],
    "for an application, the message names the application and not the URL": [
      { smsUrl: "https://crm.example.com/", smsApplicationSid: "AP1" },
      "a Twilio application",
    ],
  };
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(formerHostOf(webhook(given))).toBe(want));
});

test("LET_GO_REASONS has every Failure reason that can let a number go, so that each has a time series from the start", () => {
  const ends = ["TwilioUnauthorized", "TwilioPermissionMissing", "TwilioRejected", "AccountSuspended"];
  const waits = ["TwilioThrottled", "TwilioUnavailable"];
  for (const reason of [...ends, ...waits, "NumberNotInAccount", "SecretNotFound"]) {
    expect(reasons).toHaveProperty(reason);
    expect(LET_GO_REASONS).toContain(reason);
  }
});

describe("letGoAfter decides whether a failure lets the number go", () => {
  const rows: Record<string, [Reason, boolean, LetGo | undefined]> = {
    "an outage of Twilio does not let the number go while the deletion may still wait": [
      "TwilioUnavailable",
      false,
      undefined,
    ],
    "an outage of Twilio lets the number go when the deletion has waited long enough": [
      "TwilioUnavailable",
      true,
      { reason: "TwilioUnavailable", why: "gave up after waiting for Twilio: it failed" },
    ],
    "throttling by Twilio lets the number go when the deletion has waited long enough": [
      "TwilioThrottled",
      true,
      { reason: "TwilioThrottled", why: "gave up after waiting for Twilio: it failed" },
    ],
    "refused credentials let the number go immediately": [
      "TwilioUnauthorized",
      false,
      { reason: "TwilioUnauthorized", why: "it failed" },
    ],
    "a number that is no longer in the account is let go immediately": [
      "NumberNotInAccount",
      false,
      { reason: "NumberNotInAccount", why: "it failed" },
    ],
  };
  test.each(Object.entries(rows))("%s", (_, [reason, waitIsOver, want]) =>
    expect(letGoAfter(new Failure(reason, "it failed"), { waitIsOver })).toEqual(want));
});
