import { counted, PATTERNS_PER_STREAM, STEPS_PER_RULE, STEPS_PER_STREAM } from "../../src/rules/bounds.ts";
import { facts } from "../../src/rules/facts.ts";

/** `docs/routing-rules.md`: how to write a rule's expression, and all that it may ask about. */
export function rulesPage(): [string, string][] {
  const rows = Object.entries(facts).flatMap(([name, fields]) =>
    Object.entries(fields).map(
      ([field, { type, meaning }]) => `| \`${name}.${field}\` | ${shortType(type)} | ${meaning} |`,
    ),
  );
  return [["docs/routing-rules.md", [...intro, ...rows, ...language].join("\n")]];
}

const shortType = (type: string) => type.replace("google.protobuf.T", "t");

const intro = [
  "# Routing rules",
  "",
  "<!-- Generated from src/rules/facts.ts by `npm run generate`. Do not edit. -->",
  "",
  "`spec.routingRules` of a [WorkStream](crds/workstream.md) chooses a queue for a new conversation: the first rule whose `when` is",
  "true wins. `when` is an expression in [CEL](https://cel.dev), the language of Kubernetes' own rules, over these:",
  "",
  "| field | type | meaning |",
  "| --- | --- | --- |",
];

const language = [
  "",
  "```yaml",
  "routingRules:",
  "  - name: billing",
  "    when: message.text.matches('(?i)invoice|refund') && number.open",
  "    queueRef: { name: billing }",
  "  - name: weekend",
  "    when: time.weekday in ['Saturday', 'Sunday'] || time.minuteOfDay < 480",
  "    queueRef: { name: on-call }",
  "```",
  "",
  "- The result must be true or false: `customer.returning`, but `message.segments > 1`.",
  "- `matches` finds its pattern anywhere in the text, in [RE2's syntax](https://github.com/google/re2/wiki/Syntax), whose time grows",
  "  with the length of the text and no faster. The pattern is written out in quotes; `(?i)` makes it blind to capitals, `|` joins",
  "  several.",
  "- A pattern has a bounded size. It is compiled to steps: one for each character, class or operator, two for a group, and a repeat",
  "  has those of what it repeats as many times as it may: `.{0,1000}` has 2,002, `(x?){300}` 1,202. The patterns of one rule may have",
  `  ${counted(STEPS_PER_RULE)} together, those of all rules of a WorkStream ${counted(STEPS_PER_STREAM)}, and these may be ${PATTERNS_PER_STREAM} patterns. A rule beyond that is wrong like one that`,
  "  does not compile: write `*` or `+` in place of a large count.",
  "- `smschannel validate` says what is wrong with a rule before it is applied, in the same words as the condition",
  "  `RoutingReady` of the WorkStream. A rule that is wrong is skipped, with a warning event, and the rules after it are asked as",
  "  if it were not there; texts arrive all the same, and `Ready` stays as it is.",
  "",
];
