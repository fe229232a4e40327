import { describe, expect, test } from "vitest";
import { type CheckedCall, openApiContract } from "../../src/simulator/api/openapi.ts";
import type { ApiAnswer } from "../../src/simulator/api/operation.ts";
import { matchOperation } from "../../src/simulator/api/router.ts";
import { accountPath, demoAccount, raw, withSimulator } from "./support.ts";

// Every other test of the simulator relies on this check, so the check must be able to fail.
describe("the check against Twilio's OpenAPI files", () => {
  const spoiled: Record<string, [spoil: (call: CheckedCall) => void, problem: RegExp]> = {
    "a field that is missing": [
      ({ answer }) => void delete answer.body!.sms_url,
      /required property 'sms_url'/,
    ],
    "a field that Twilio does not have": [
      ({ answer }) => Object.assign(answer.body!, { etag: "1" }),
      /additional properties.*etag/,
    ],
    "a date in another format": [
      ({ answer }) => Object.assign(answer.body!, { date_created: "2026-01-01" }),
      /date_created/,
    ],
    "a SID with another prefix": [
      ({ answer }) => Object.assign(answer.body!, { sid: `SM${"0".repeat(32)}` }),
      /\/sid/,
    ],
    "text in place of a boolean": [({ answer }) => Object.assign(answer.body!, { beta: "false" }), /\/beta/],
    "an HTTP method that Twilio does not allow": [
      ({ answer }) => Object.assign(answer.body!, { sms_method: "PUT" }),
      /\/sms_method/,
    ],
    "a status that Twilio does not answer": [
      ({ answer }) => Object.assign(answer, { status: 201 }),
      /may not answer 201/,
    ],
    "a form field that is not published": [({ form }) => form.set("SmsUri", "x"), /SmsUri/],
    "a form value that is not allowed": [({ form }) => form.set("SmsMethod", "PUT"), /SmsMethod/],
  };
  for (const [name, [spoil, problem]] of Object.entries(spoiled))
    test(`reports ${name}`, () =>
      withSimulator({}, async (simulator) => {
        const path = `${accountPath}/IncomingPhoneNumbers/${demoAccount.numberSid}.json`;
        const { json } = await raw(simulator, path);
        const match = matchOperation("POST", { product: "api", region: "us1", path });
        if (typeof match !== "object") throw new Error("no such operation");
        const answer: ApiAnswer = { status: 200, body: json };
        const call = {
          operation: match.operation,
          form: new URLSearchParams(),
          query: new URLSearchParams(),
          answer,
        };
        const contract = await openApiContract();
        contract.check(call);
        expect(contract.violations).toEqual([]);
        spoil(call);
        contract.check(call);
        expect(contract.violations).toEqual([expect.stringMatching(problem)]);
      }));
});
