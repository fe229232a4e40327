import { RE2JS } from "re2js";
import { describe, expect, test } from "vitest";
import { STEPS_PER_RULE } from "./bounds.ts";
import { compilePattern } from "./pattern.ts";

// The limit on steps is checked before a pattern is compiled, so the counted steps must be those of the compiled program. They
// are counted in the library's parsed patterns, whose form may change with any version of the library.
describe("the steps of a pattern are counted as in its compiled program", () => {
  for (const pattern of [
    "",
    "a",
    "invoice",
    "(?i)invoice|refund",
    String.raw`^\+1415\d{7}$`,
    ".{0,1000}",
    "x{1000}",
    "x{3,}",
    "a{0}",
    "(x?){10}",
    "(|a)*",
    "(a|b|c){3,5}",
    "((a{0,10}){0,10}){0,10}",
    "[a-z]+",
    String.raw`\pL{3}`,
    "(?i)k{4}",
    String.raw`\b(foo|bar)\b`,
    "(a+|b*?){2,7}c??",
    String.raw`\{1000}[{1000}]`,
  ])
    test(`for the pattern "${pattern}"`, () => {
      const { steps, compiled } = compilePattern(pattern);
      const real = RE2JS.compile(pattern).programSize();
      expect(compiled.programSize()).toBe(real);
      expect(steps).toBeGreaterThanOrEqual(real);
      expect(steps).toBeLessThan(real * 1.2 + 2);
    });
});

describe("a pattern with too many steps is refused before it is compiled", () => {
  const rows: Record<string, [pattern: string, said: string]> = {
    "a group that is repeated many times": ["(x?){300}".repeat(97), "at least 29,100 steps"],
    "a letter that is repeated many times": ["x{1000}".repeat(130), "at least 130,000 steps"],
    "optional repeats, which take a second to parse": [".{0,1000}?".repeat(95), "at least 95,000 steps"],
    "repeats within repeats": ["((?:ab?){0,30}c){0,30}", "3,722 steps"],
    "a long group that is repeated a few times": [`(?:${"ab?".repeat(100)}){20}`, "6,002 steps"],
    "a pattern with one step too many": ["x{1000}x{1000}y{999}", "3,001 steps"],
  };
  for (const [name, [pattern, said]] of Object.entries(rows))
    test(name, () => expect(() => compilePattern(pattern)).toThrow(said));

  test("a pattern with as many steps as allowed is accepted", () =>
    expect(compilePattern("x{1000}x{1000}y{998}").steps).toBe(STEPS_PER_RULE));
});
