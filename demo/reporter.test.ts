import { describe, expect, test } from "vitest";
import { jsonReporter, personReporter, type Reporter } from "./reporter.ts";

function told(make: (write: (line: string) => void) => Reporter): string {
  let text = "";
  const reporter = make((line) => {
    text += line;
  });
  reporter.begin("A database");
  reporter.note("smsnumber/support Ready True");
  reporter.done("database", 'says "hello"\non two lines');
  reporter.failed("webhook", "expected a, saw b");
  reporter.end({ ok: false, steps: 2 });
  return text;
}

describe("the demo's output", () => {
  test("as JSON has one object per line and nothing else, even if a detail has quotes and line breaks", () => {
    const lines = told(jsonReporter).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { step: "database", ok: true, detail: 'says "hello"\non two lines' },
      { step: "webhook", ok: false, detail: "expected a, saw b" },
      { demo: "failed", steps: 2 },
    ]);
  });

  test("for a person says how long a step took and what went wrong", () => {
    let clock = 0;
    const text = told((write) => personReporter(write, () => (clock += 1500)));
    expect(text).toContain("✓ says");
    expect(text).toContain("(1.5 s)");
    expect(text).toContain("✗ webhook: expected a, saw b");
  });
});
