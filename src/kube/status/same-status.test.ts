import { expect, test } from "vitest";
import { sameStatus } from "./same-status.ts";

type Status = Record<string, unknown>;
const ready = { type: "Ready", status: "True", reason: "Ready", message: "" };
const found = { type: "NumberFound", status: "True", reason: "Found", message: "" };

const rows: Record<string, [a: Status | undefined, b: Status | undefined, same: boolean]> = {
  "two statuses that are absent": [undefined, undefined, true],
  "an absent status and an empty one": [undefined, {}, true],
  "an absent status and one with a field": [undefined, { accountSid: "AC1" }, false],
  "the same fields in another order": [{ a: 1, b: "2" }, { b: "2", a: 1 }, true],
  "a field that is undefined and one that is absent": [{ a: 1, b: undefined }, { a: 1 }, true],
  "a field that is absent and one that is undefined": [{ a: 1 }, { a: 1, b: undefined }, true],
  "a field that only the second status has": [{ a: 1 }, { a: 1, b: 0 }, false],
  "a field that only the first status has": [{ a: 1, b: 0 }, { a: 1 }, false],
  "a number and the same number as text": [{ a: 1 }, { a: "1" }, false],
  "nested objects that are equal": [
    { a: { b: { c: [1, { d: 2 }] } } },
    { a: { b: { c: [1, { d: 2 }] } } },
    true,
  ],
  "nested objects that differ": [
    { a: { b: { c: [1, { d: 2 }] } } },
    { a: { b: { c: [1, { d: 3 }] } } },
    false,
  ],
  "a nested field that is undefined": [{ a: { b: 1, c: undefined } }, { a: { b: 1 } }, true],
  "a field that is an empty object and one that is absent": [{ a: {} }, {}, false],
  "an empty object and an empty list": [{ a: {} }, { a: [] }, false],
  "an empty object and null": [{ a: {} }, { a: null }, false],
  "lists of different lengths": [{ a: [1, 2] }, { a: [1] }, false],
  "lists in another order": [{ a: [1, 2] }, { a: [2, 1] }, false],
  "conditions in another order": [{ conditions: [ready, found] }, { conditions: [found, ready] }, true],
  "a condition with another message": [
    { conditions: [ready] },
    { conditions: [{ ...ready, message: "!" }] },
    false,
  ],
  "the same conditions and one more": [{ conditions: [ready] }, { conditions: [ready, found] }, false],
  "a condition of another type": [{ conditions: [ready] }, { conditions: [found] }, false],
  "no conditions and an empty list": [{}, { conditions: [] }, true],
};
for (const [name, [a, b, same]] of Object.entries(rows))
  test(`${name}: ${same ? "the same" : "different"}`, () => {
    expect(sameStatus(a, b)).toBe(same);
    expect(sameStatus(b, a)).toBe(same);
  });
