import { afterAll, describe, expect, test } from "vitest";
import { RuleJudge } from "../../rules/judge.ts";
import { parseSources } from "../../validate/source.ts";
import { validate } from "../../validate/validate.ts";
import { routingVerdict, type StreamFacts, streamVerdicts } from "./verdicts.ts";

/** Rules by name, and the names of those that do not compile. */
const rows: Record<string, [rules: Record<string, string>, bad: string[]]> = {
  none: [{}, []],
  "one that is good": [{ billing: "message.text.matches('(?i)invoice')" }, []],
  "one that asks for what is not there": [{ billing: "message.body == 'invoice'" }, ["billing"]],
  "one that is no bool": [{ billing: "message.segments" }, ["billing"]],
  "a pattern that is none": [{ billing: "message.text.matches('(')" }, ["billing"]],
  "a pattern of the customer's": [{ billing: "'x'.matches(message.text)" }, ["billing"]],
  "good ones between bad ones": [
    { a: "1", b: "true", c: "nobody", d: "number.open", e: "message.text == 1" },
    ["a", "c", "e"],
  ],
  "many bad ones": [
    Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`r${at}`, "x"])),
    Array.from({ length: 9 }, (_, at) => `r${at}`),
  ],
  "a pattern that grows beyond a rule's bound": [
    { good: "true", big: `message.text.matches('${"(x?){300}".repeat(97)}')` },
    ["big"],
  ],
  "good ones that are too much together": [
    Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`r${at}`, `message.text.matches('x{1000}')`])),
    Array.from({ length: 35 }, (_, at) => `r${at + 29}`),
  ],
};

const judge = new RuleJudge();
afterAll(() => judge.stop());

const withRules = (routingRules: { name: string; when: string }[]) => ({
  apiVersion: "smschannel.dev/v1alpha1",
  kind: "WorkStream",
  metadata: { name: "support" },
  spec: {
    autoCloseAfterInactivity: "8h",
    sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
    routingRules,
  },
});

describe("the controller and smschannel validate judge routing rules alike", () => {
  for (const [name, [byName, bad]] of Object.entries(rows))
    test(name, async () => {
      const rules = Object.entries(byName).map(([name, when]) => ({ name, when }));
      const { problems } = await judge.judge("team", rules);
      const { status, reason, message, class: kind } = routingVerdict(problems);
      const { findings } = await validate([parseSources("stream.json", JSON.stringify(withRules(rules)))]);

      expect(findings.map(({ severity, field, reason }) => [severity, field, reason])).toEqual(
        bad.map((each) => {
          const index = rules.findIndex(({ name }) => name === each);
          return ["error", `spec.routingRules[${index}].when`, "RoutingRuleInvalid"];
        }),
      );
      if (bad.length === 0)
        expect({ status, reason, kind }).toEqual({ status: "True", reason: "Ready", kind: "good" });
      else {
        expect({ status, reason, kind }).toEqual({
          status: "False",
          reason: "RoutingRuleInvalid",
          kind: "stalled",
        });
        const told = findings.slice(0, 5).map(({ message }) => message);
        expect(message).toBe([...told, ...(bad.length > 5 ? [`and ${bad.length - 5} more`] : [])].join("; "));
      }
    });
});

test("a rule that is wrong takes nothing from Ready", () => {
  const facts: StreamFacts = {
    credentials: { ok: true, promoted: false },
    urlProblem: undefined,
    url: "off",
    number: undefined,
    ruleProblems: [{ index: 0, name: "a", message: "Unknown variable: nobody" }],
  };
  const byType = Object.fromEntries(streamVerdicts(facts).map(({ type, status }) => [type, status]));
  expect(byType).toEqual({
    CredentialsValid: "True",
    InboundUrlReady: "True",
    NumberReady: "False",
    RoutingReady: "False",
    Ready: "True",
  });
});
