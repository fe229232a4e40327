import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { forgetOf } from "./forget.ts";

const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 24);
const long = "x".repeat(256 * 1024);

const rows: Record<string, [string | undefined, string | undefined, ReturnType<typeof forgetOf>]> = {
  "no annotation, ever": [undefined, undefined, { forget: false, forgotten: undefined }],
  "the first value": ["now", undefined, { forget: true, forgotten: hash("now") }],
  "an empty one counts": ["", undefined, { forget: true, forgotten: hash("") }],
  "the same value again": ["now", hash("now"), { forget: false, forgotten: hash("now") }],
  "another value": ["again", hash("now"), { forget: true, forgotten: hash("again") }],
  "a value that an older version recorded as it is": [
    "now",
    "now",
    { forget: false, forgotten: hash("now") },
  ],
  "another than an older version recorded": ["again", "now", { forget: true, forgotten: hash("again") }],
  "the annotation is taken away": [undefined, hash("now"), { forget: false, forgotten: hash("now") }],
  "a value of any length takes the same room": [long, undefined, { forget: true, forgotten: hash(long) }],
  "also where an older version recorded it": [undefined, long, { forget: false, forgotten: hash(long) }],
};

describe("forgetOf", () => {
  for (const [name, [annotation, recorded, want]] of Object.entries(rows))
    test(name, () => expect(forgetOf(annotation, recorded)).toEqual(want));
});
