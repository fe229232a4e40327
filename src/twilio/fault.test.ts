import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import type { Reason } from "../api/reasons.ts";
import { Failure } from "../errors.ts";
import {
  type FaultFacts,
  failureFrom,
  faultFrom,
  faultOf,
  isAnyNotFound,
  isNotFound,
  TwilioFault,
} from "./fault.ts";
import { operations } from "./operations.ts";

const update = operations.UpdateNumber;
const fault = (facts: FaultFacts) => new TwilioFault("UpdateNumber", facts);

describe("the reason and message of a failed call, for", () => {
  const rows: Record<string, [FaultFacts, Reason, RegExp]> = {
    "401 Authenticate": [
      { status: 401, twilioCode: 20003 },
      "TwilioUnauthorized",
      /differ by subaccount and by region/,
    ],
    "401 with an unknown code": [{ status: 401 }, "TwilioUnauthorized", /401/],
    "test credentials": [{ status: 403, twilioCode: 20008 }, "TwilioUnauthorized", /test credentials/],
    "a suspended account": [{ status: 403, twilioCode: 20005 }, "AccountSuspended", /not active/],
    "an account that is not active, reported with 401": [
      { status: 401, twilioCode: 20005 },
      "AccountSuspended",
      /not active/,
    ],
    "an account that is not active, reported with the older code 10001": [
      { status: 400, twilioCode: 10001 },
      "AccountSuspended",
      /not active/,
    ],
    "a restricted key without the permission that Twilio names": [
      { status: 403, twilioCode: 70051, permission: "/twilio/a/b/update" },
      "TwilioPermissionMissing",
      /may not set the number's webhook; grant the API key \/twilio\/a\/b\/update$/,
    ],
    "the missing permission of error 70051, reported with 401": [
      { status: 401, twilioCode: 70051 },
      "TwilioPermissionMissing",
      /incoming-phone-numbers\/update$/,
    ],
    "403 that names no permission": [
      { status: 403 },
      "TwilioPermissionMissing",
      /incoming-phone-numbers\/update$/,
    ],
    "20403 access denied": [{ status: 403, twilioCode: 20403 }, "TwilioPermissionMissing", /may not/],
    "a URL that Twilio does not accept": [
      { status: 400, twilioCode: 21402 },
      "TwilioRejected",
      /error 21402, the URL is not valid/,
    ],
    "a fallback without a URL": [{ status: 400, twilioCode: 21406 }, "TwilioRejected", /error 21406/],
    "400 with an unknown code": [
      { status: 400, twilioCode: 29999 },
      "TwilioRejected",
      /error 29999; see https/,
    ],
    "a 400 without a code": [{ status: 400 }, "TwilioRejected", /HTTP 400/],
    "404": [{ status: 404, twilioCode: 20404 }, "TwilioRejected", /20404/],
    "409": [{ status: 409 }, "TwilioRejected", /HTTP 409/],
    "429": [{ status: 429, twilioCode: 20429 }, "TwilioThrottled", /429/],
    "429 without a body": [{ status: 429 }, "TwilioThrottled", /429/],
    "408, after Twilio waited too long for the request": [{ status: 408 }, "TwilioUnavailable", /Twilio/],
    "500": [{ status: 500, twilioCode: 20500 }, "TwilioUnavailable", /error of its own/],
    "503 of an edge, as HTML": [{ status: 503 }, "TwilioUnavailable", /error of its own/],
    "a redirect": [{ status: 302 }, "TwilioUnavailable", /cannot be understood: it redirects \(HTTP 302\)/],
    "200 that is not JSON": [
      { status: 200, code: "BAD_ANSWER", detail: "it is not JSON" },
      "TwilioUnavailable",
      /cannot be understood: it is not JSON;/,
    ],
    "a proxy that wants a login": [{ status: 407 }, "TwilioUnavailable", /proxy wants a login/],
    "425 Too Early": [{ status: 425, twilioCode: 20425 }, "TwilioUnavailable", /HTTP 425/],
    "a 404 that is not in Twilio's form": [
      { status: 404, code: "NOT_TWILIO", detail: "HTTP 404 came" },
      "TwilioUnavailable",
      /cannot be understood: HTTP 404 came;/,
    ],
    "a refused connection": [{ code: "ECONNREFUSED" }, "TwilioUnavailable", /did not answer/],
    "a time-out": [{ code: "ETIMEDOUT" }, "TwilioUnavailable", /did not answer/],
    "a certificate of a proxy that opens TLS": [
      { code: "SELF_SIGNED_CERT_IN_CHAIN" },
      "TwilioUnavailable",
      /its certificate is signed by an authority that is not trusted here \(SELF_SIGNED_CERT_IN_CHAIN\)/,
    ],
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

test("all 5xx answers give one message, and all calls without an answer give another, so that repetitions do not change a status", () => {
  const texts = [500, 502, 503, 504, 520].map((status) => failureFrom(fault({ status }), update).message);
  const silences = ["ECONNRESET", "ENOTFOUND", "ETIMEDOUT", "UND_ERR_SOCKET"].map(
    (code) => failureFrom(fault({ code }), update).message,
  );
  assert.equal(new Set(texts).size, 1);
  assert.equal(new Set(silences).size, 1);
});

test("a failure keeps no text of the error answer, whatever the answer holds", () => {
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

describe("faultFrom() reads the code and the permission, if there are any, of an error body", () => {
  const rows: Record<string, [unknown, Partial<TwilioFault>]> = {
    "of the 2010 API": [{ code: 21402, message: "x", status: 400 }, { twilioCode: 21402 }],
    "of newer APIs (RFC 9457)": [
      { type: "t", title: "x", status: 400, code: 20001, detail: "d" },
      { twilioCode: 20001 },
    ],
    "with the code as text": [{ code: "20404" }, { twilioCode: 20404 }],
    "that names a permission": [
      {
        code: 70051,
        message: "Authorization Failed. Required permission: /twilio/messaging/services.phone-numbers/list.",
      },
      { twilioCode: 70051, permission: "/twilio/messaging/services.phone-numbers/list" },
    ],
    "that names no permission": [{ code: 70051, message: "no" }, { twilioCode: 70051 }],
    "that is a list": [[1], { twilioCode: undefined }],
    "that is missing": [undefined, { twilioCode: undefined }],
    "whose code is an object": [{ code: { valueOf: 1 } }, { twilioCode: undefined }],
  };
  for (const [name, [body, want]] of Object.entries(rows))
    test(name, () => {
      const { twilioCode, permission } = faultFrom("ListServices", 403, body);
      assert.deepEqual({ twilioCode, permission }, { permission: undefined, ...want });
    });
});

describe("only an error in Twilio's form counts as Twilio's answer", () => {
  const link = (code: number) => `https://www.twilio.com/docs/errors/${code}`;
  const told = (code: number, status: number) => ({ code, message: "x", more_info: link(code), status });
  const twilios: Record<string, [status: number, body: unknown, reason: Reason]> = {
    "a 401 of the 2010 API": [401, told(20003, 401), "TwilioUnauthorized"],
    "a 401 without a link to the catalogue": [
      401,
      { code: 20003, message: "Authenticate", status: 401 },
      "TwilioUnauthorized",
    ],
    "a 403 of a newer API": [
      403,
      { type: link(20403), title: "Forbidden", status: 403, code: 20403, detail: "d" },
      "TwilioPermissionMissing",
    ],
    "a 403 with an unknown code": [403, told(29999, 403), "TwilioPermissionMissing"],
    "a 404 of the 2010 API": [404, told(20404, 404), "TwilioRejected"],
    "a 404 with a link to the catalogue instead of a status": [
      404,
      { code: 20404, message: "x", more_info: link(20404) },
      "TwilioRejected",
    ],
    "a 400 for a wrong URL": [400, told(21402, 400), "TwilioRejected"],
  };
  for (const [name, [status, body, reason]] of Object.entries(twilios))
    test(`${name} counts as an answer of Twilio`, () =>
      assert.equal(failureFrom(faultFrom("UpdateNumber", status, body), update).reason, reason));

  const strangers: Record<string, unknown> = {
    "an HTML page, or nothing": undefined,
    "a text": "Forbidden",
    "a list": [told(20003, 401)],
    "JSON of a gateway": { message: "Forbidden" },
    "JSON of a gateway with the HTTP status as code": { code: 403, message: "Forbidden", status: 403 },
    "JSON of Kubernetes": { kind: "Status", code: 403, reason: "Forbidden", message: "x", status: "Failure" },
    "an RFC 9457 error of another server": {
      type: "about:blank",
      title: "Forbidden",
      status: 403,
      detail: "d",
    },
    "a word as code": { code: "AuthFailed", message: "x", status: 401 },
    "the code inside a list of errors": {
      success: false,
      errors: [{ code: 10000, message: "Authentication error" }],
    },
    "a Twilio error whose body names another status": { code: 20404, message: "x", status: 418 },
    "a code and no text": { code: 20003, status: 401 },
    "the JSON value null": null,
  };
  for (const [name, body] of Object.entries(strangers))
    for (const status of [400, 401, 402, 403, 404, 405, 407, 409, 410, 425, 451])
      test(`${status} with ${name} does not count as an answer of Twilio`, () => {
        const failure = failureFrom(faultFrom("FetchNumber", status, body), operations.FetchNumber);
        assert.equal(failure.reason, "TwilioUnavailable");
        assert.equal(failure.class, "transient");
        assert.equal(isNotFound(failure), false);
        assert.equal(isAnyNotFound(failure), status === 404);
        assert.match(failure.message, new RegExp(`HTTP ${status}`));
      });
});

test("faultOf() finds no fault in an error that is not from a call to Twilio", () => {
  assert.equal(faultOf(new Error("x")), undefined);
  assert.equal(faultOf(new Failure("SecretNotFound", "x")), undefined);
});
