import { afterAll, describe, expect, test } from "vitest";
import type { Condition, WorkStream } from "../../api/index.ts";
import { RuleJudge } from "../../rules/judge.ts";
import { parseSources } from "../../validate/source.ts";
import { validate } from "../../validate/validate.ts";
import { failedVerdicts } from "./outcome.ts";
import { knownOf, routingVerdict, type StreamFacts, streamVerdicts, verdict } from "./verdicts.ts";

/** For each title: a set of routing rules, and the names of the rules that do not compile. */
const rows: Record<string, [rules: Record<string, string>, bad: string[]]> = {
  "no rules": [{}, []],
  "a good rule": [{ billing: "message.text.matches('(?i)invoice')" }, []],
  "a rule with a field that does not exist": [{ billing: "message.body == 'invoice'" }, ["billing"]],
  "a rule whose result is not a bool": [{ billing: "message.segments" }, ["billing"]],
  "a rule with an invalid pattern": [{ billing: "message.text.matches('(')" }, ["billing"]],
  "a rule whose pattern comes from the customer's text": [
    { billing: "'x'.matches(message.text)" },
    ["billing"],
  ],
  "good rules between bad rules": [
    { a: "1", b: "true", c: "nobody", d: "number.open", e: "message.text == 1" },
    ["a", "c", "e"],
  ],
  "many bad rules": [
    Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`r${at}`, "x"])),
    Array.from({ length: 9 }, (_, at) => `r${at}`),
  ],
  "a rule whose pattern becomes larger than allowed": [
    { good: "true", big: `message.text.matches('${"(x?){300}".repeat(97)}')` },
    ["big"],
  ],
  "good rules that together exceed the limit": [
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

describe("the controller and smschannel validate give the same verdict on these routing rules", () => {
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

test("an invalid routing rule does not change the condition Ready", () => {
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

describe("verdicts in the status hold until there are newer ones", () => {
  const inboundUrl = "https://sms.example.com/inbound/team/support";
  const answers = { type: "InboundUrlReady", status: "True", reason: "UrlAnswers", message: "it answered" };
  const wrong = { type: "RoutingReady", status: "False", reason: "RoutingRuleInvalid", message: "rule a" };
  const stream = (condition: object, status: WorkStream["status"] = { inboundUrl }) =>
    ({
      metadata: { name: "support", generation: 3 },
      status: { ...status, conditions: [{ observedGeneration: 3, ...condition } as Condition] },
    }) as WorkStream;
  const facts: StreamFacts = {
    credentials: { ok: true, promoted: false },
    urlProblem: undefined,
    url: { status: "Unknown" },
    number: undefined,
    ruleProblems: undefined,
  };
  const judged = (object: WorkStream, more: Partial<StreamFacts> = {}) =>
    streamVerdicts({ ...facts, known: knownOf(object, inboundUrl), ...more });
  const told = (type: string, object: WorkStream, more: Partial<StreamFacts> = {}) => {
    const { status, message } = judged(object, more).find((each) => each.type === type)!;
    return `${status}: ${message}`;
  };
  const checking = "Unknown: the inbound URL is being checked";
  const judging = "Unknown: the routing rules are being checked";

  const rows: Record<string, [told: string, want: string]> = {
    "a URL that answered before is still reported as good": [
      told("InboundUrlReady", stream(answers)),
      "True: it answered",
    ],
    "Ready stays True when the URL answered before": [
      told("Ready", stream(answers)),
      "True: everything is in place",
    ],
    "a URL that answered at an older generation is still reported as good": [
      told("InboundUrlReady", stream({ ...answers, observedGeneration: 2 })),
      "True: it answered",
    ],
    "a URL that differs from the one that answered is reported as being checked": [
      told("InboundUrlReady", stream(answers, { inboundUrl: "https://old" })),
      checking,
    ],
    "a URL that did not answer before is reported as being checked": [
      told("InboundUrlReady", stream({ ...answers, status: "False" })),
      checking,
    ],
    "a URL that fails now is reported as failing": [
      told("InboundUrlReady", stream(answers), {
        url: { status: "False", reason: "PublicUrlUnreachable", message: "no answer" },
      }),
      "False: no answer",
    ],
    "a rule that was wrong before is still reported as wrong": [
      told("RoutingReady", stream(wrong)),
      "False: rule a",
    ],
    "rules that were good before are still reported as good": [
      told("RoutingReady", stream({ ...wrong, status: "True", reason: "Ready", message: "good" })),
      "True: good",
    ],
    "rules of an older generation are reported as being checked": [
      told("RoutingReady", stream({ ...wrong, observedGeneration: 2 })),
      judging,
    ],
    "rules whose condition was Unknown are reported as being checked": [
      told("RoutingReady", stream({ ...wrong, status: "Unknown", message: "let go" })),
      judging,
    ],
    "rules that were judged in this attempt are reported with the new verdict": [
      told("RoutingReady", stream(wrong), { ruleProblems: [] }),
      "True: every routing rule can be evaluated",
    ],
    "rules of a stream without conditions are reported as being checked": [
      told("RoutingReady", { ...stream({}), status: {} }),
      judging,
    ],
  };
  for (const [name, [told, want]] of Object.entries(rows)) test(name, () => expect(told).toBe(want));

  test("the earlier verdict on the rules is still reported after a failed attempt", () => {
    const verdicts = failedVerdicts(
      stream(wrong),
      { reason: "TwilioUnavailable", message: "away" },
      undefined,
    );
    expect(verdicts).toContainEqual(verdict("RoutingReady", "False", "RoutingRuleInvalid", "rule a"));
  });
});
