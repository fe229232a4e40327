import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import type { Reason } from "../api/reasons.ts";
import { Failure } from "../errors.ts";
import { type FaultFacts, failureFrom, faultFrom, faultOf, TwilioFault } from "./fault.ts";
import { operations } from "./operations.ts";

const update = operations.UpdateNumber;
const fault = (facts: FaultFacts) => new TwilioFault("UpdateNumber", facts);

describe("what a fault means", () => {
  const rows: Record<string, [FaultFacts, Reason, RegExp]> = {
    "401 Authenticate": [
      { status: 401, twilioCode: 20003 },
      "TwilioUnauthorized",
      /differ by subaccount and by region/,
    ],
    "401 without a body": [{ status: 401 }, "TwilioUnauthorized", /401/],
    "test credentials": [{ status: 403, twilioCode: 20008 }, "TwilioUnauthorized", /test credentials/],
    "a suspended account": [{ status: 403, twilioCode: 20005 }, "AccountSuspended", /not active/],
    "an account that is not active, by 401": [
      { status: 401, twilioCode: 20005 },
      "AccountSuspended",
      /not active/,
    ],
    "an account that is not active, by its older code": [
      { status: 400, twilioCode: 10001 },
      "AccountSuspended",
      /not active/,
    ],
    "a restricted key without the permission that Twilio names": [
      { status: 403, twilioCode: 70051, permission: "/twilio/a/b/update" },
      "TwilioPermissionMissing",
      /may not set the number's webhook; grant the API key \/twilio\/a\/b\/update$/,
    ],
    "70051 with 401": [
      { status: 401, twilioCode: 70051 },
      "TwilioPermissionMissing",
      /incoming-phone-numbers\/update$/,
    ],
    "403 that names nothing": [{ status: 403 }, "TwilioPermissionMissing", /incoming-phone-numbers\/update$/],
    "20403 access denied": [{ status: 403, twilioCode: 20403 }, "TwilioPermissionMissing", /may not/],
    "a URL that Twilio does not take": [
      { status: 400, twilioCode: 21402 },
      "TwilioRejected",
      /error 21402, the URL is not valid/,
    ],
    "a fallback without a URL": [{ status: 400, twilioCode: 21406 }, "TwilioRejected", /error 21406/],
    "a code that nobody knows": [
      { status: 400, twilioCode: 29999 },
      "TwilioRejected",
      /error 29999; see https/,
    ],
    "a 400 without a code": [{ status: 400 }, "TwilioRejected", /HTTP 400/],
    "404": [{ status: 404, twilioCode: 20404 }, "TwilioRejected", /20404/],
    "409": [{ status: 409 }, "TwilioRejected", /HTTP 409/],
    "429": [{ status: 429, twilioCode: 20429 }, "TwilioThrottled", /429/],
    "429 of an edge, without a body": [{ status: 429 }, "TwilioThrottled", /429/],
    "a request that took Twilio too long to read": [{ status: 408 }, "TwilioUnavailable", /Twilio/],
    "500": [{ status: 500, twilioCode: 20500 }, "TwilioUnavailable", /error of its own/],
    "503 of an edge, as HTML": [{ status: 503 }, "TwilioUnavailable", /error of its own/],
    "a redirect": [{ status: 302 }, "TwilioUnavailable", /cannot be understood/],
    "200 that is no JSON": [{ status: 200, code: "BAD_ANSWER" }, "TwilioUnavailable", /cannot be understood/],
    "a refused connection": [{ code: "ECONNREFUSED" }, "TwilioUnavailable", /did not answer/],
    "a time-out": [{ code: "ETIMEDOUT" }, "TwilioUnavailable", /did not answer/],
  };
  for (const [name, [facts, reason, message]] of Object.entries(rows))
    test(name, () => {
      const failure = failureFrom(fault(facts), update);
      assert.equal(failure.reason, reason);
      assert.match(failure.message, message);
      assert.equal(faultOf(failure)?.operation, "UpdateNumber");
      assert.equal(faultOf(failure)?.status, facts.status);
    });
});

test("outages have few texts: a status that changes with each would wake its own watcher", () => {
  const texts = [500, 502, 503, 504, 520].map((status) => failureFrom(fault({ status }), update).message);
  const silences = ["ECONNRESET", "ENOTFOUND", "ETIMEDOUT", "UND_ERR_SOCKET"].map(
    (code) => failureFrom(fault({ code }), update).message,
  );
  assert.equal(new Set(texts).size, 1);
  assert.equal(new Set(silences).size, 1);
});

test("the answer's own text is not kept, whatever it holds", () => {
  const { recorded } = JSON.parse(
    readFileSync(new URL("../../test/fixtures/twilio/api-errors.json", import.meta.url), "utf8"),
  );
  assert.ok(recorded.length > 10);
  for (const { httpStatus, body } of recorded) {
    const failure = failureFrom(faultFrom("FetchNumber", httpStatus, body), operations.FetchNumber);
    assert.equal(faultOf(failure)?.twilioCode, body.code);
    const told = `${failure.message} ${(failure.cause as Error).message}`;
    assert.doesNotMatch(told, /[0-9a-f]{32}|\+1/);
    if (body.message.length > 20) assert.ok(!told.includes(body.message));
  }
});

describe("error bodies", () => {
  const rows: Record<string, [unknown, Partial<TwilioFault>]> = {
    "of the 2010 API": [{ code: 21402, message: "x", status: 400 }, { twilioCode: 21402 }],
    "of newer APIs (RFC 9457)": [
      { type: "t", title: "x", status: 400, code: 20001, detail: "d" },
      { twilioCode: 20001 },
    ],
    "with the code as text": [{ code: "20404" }, { twilioCode: 20404 }],
    "that name a permission": [
      {
        code: 70051,
        message: "Authorization Failed. Required permission: /twilio/messaging/services.phone-numbers/list.",
      },
      { twilioCode: 70051, permission: "/twilio/messaging/services.phone-numbers/list" },
    ],
    "that name none": [{ code: 70051, message: "no" }, { twilioCode: 70051 }],
    "that are a list": [[1], { twilioCode: undefined }],
    "that are nothing": [undefined, { twilioCode: undefined }],
    "whose code is an object": [{ code: { valueOf: 1 } }, { twilioCode: undefined }],
  };
  for (const [name, [body, want]] of Object.entries(rows))
    test(name, () => {
      const { twilioCode, permission } = faultFrom("ListServices", 403, body);
      assert.deepEqual({ twilioCode, permission }, { permission: undefined, ...want });
    });
});

test("something else that failed has no fault", () => {
  assert.equal(faultOf(new Error("x")), undefined);
  assert.equal(faultOf(new Failure("SecretNotFound", "x")), undefined);
});
