import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { forgetOf } from "./forget.ts";

const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 24);
const long = "x".repeat(256 * 1024);

const rows: Record<string, [string | undefined, string | undefined, ReturnType<typeof forgetOf>]> = {
  "without an annotation former tokens stay": [undefined, undefined, { forget: false, forgotten: undefined }],
  "the first value of the annotation ends former tokens": [
    "now",
    undefined,
    { forget: true, forgotten: hash("now") },
  ],
  "an empty value of the annotation ends former tokens": [
    "",
    undefined,
    { forget: true, forgotten: hash("") },
  ],
  "the same value of the annotation does not end former tokens a second time": [
    "now",
    hash("now"),
    { forget: false, forgotten: hash("now") },
  ],
  "another value of the annotation ends former tokens again": [
    "again",
    hash("now"),
    { forget: true, forgotten: hash("again") },
  ],
  "a value that an older version recorded without hashing it does not end former tokens again": [
    "now",
    "now",
    { forget: false, forgotten: hash("now") },
  ],
  "a value that differs from the value that an older version recorded ends former tokens": [
    "again",
    "now",
    { forget: true, forgotten: hash("again") },
  ],
  "removing the annotation keeps the recorded hash": [
    undefined,
    hash("now"),
    { forget: false, forgotten: hash("now") },
  ],
  "a long value is recorded as a hash of 24 hex digits": [
    long,
    undefined,
    { forget: true, forgotten: hash(long) },
  ],
  "a long value that an older version recorded is replaced by its hash": [
    undefined,
    long,
    { forget: false, forgotten: hash(long) },
  ],
};

describe("forgetOf decides whether the annotation ends former tokens", () => {
  for (const [name, [annotation, recorded, want]] of Object.entries(rows))
    test(name, () => expect(forgetOf(annotation, recorded)).toEqual(want));
});
