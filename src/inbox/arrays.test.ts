import fc from "fast-check";
import { expect, test } from "vitest";
import { textArray } from "./arrays.ts";

/**
 * Reads an array as PostgreSQL does in array_recv:
 * https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/arrayfuncs.c
 */
function read(array: Buffer): (string | null)[] {
  const [dimensions, elementType, count] = [
    array.readInt32BE(0),
    array.readInt32BE(8),
    array.readInt32BE(12),
  ];
  expect([dimensions, elementType, array.readInt32BE(16)]).toEqual([1, 25, 1]);
  const values: (string | null)[] = [];
  let at = 20;
  for (let i = 0; i < count; i++) {
    const length = array.readInt32BE(at);
    at += 4;
    values.push(length === -1 ? null : array.toString("utf8", at, at + length));
    at += Math.max(0, length);
  }
  expect(at).toBe(array.length);
  return values;
}

// The lists are made from few different values, so that the same value often comes twice in a row, with or without a
// null in between.
const value = fc.oneof(
  fc.constantFrom("", "support", "AC00000000000000000000000000000001", "Köln 🎉", null),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);

test("every list of strings and nulls that is encoded as a PostgreSQL array is read back unchanged", () => {
  const isReadBack = (values: (string | null)[]) => {
    expect(read(textArray(values))).toEqual(values);
  };
  fc.assert(fc.property(fc.array(value, { maxLength: 20 }), isReadBack));
});
