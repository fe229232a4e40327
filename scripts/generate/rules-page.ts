import { counted, PATTERNS_PER_STREAM, STEPS_PER_RULE, STEPS_PER_STREAM } from "../../src/rules/bounds.ts";
import { facts } from "../../src/rules/facts.ts";

/** The page `docs/routing-rules.md`: how to write a rule's expression, and all fields that an expression can use. */
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
  "`spec.routingRules` of a [WorkStream](crds/workstream.md) chooses the queue for a new conversation. The first rule whose `when` is",
  "true wins. `when` is an expression in [CEL](https://cel.dev), the language of Kubernetes' own validation rules. It can use these fields:",
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
  "- The result must be true or false: `customer.returning` is, but a number must be compared, as in `message.segments > 1`.",
  "- `matches` finds its pattern anywhere in the text. The pattern must be a literal in quotes, in",
  "  [RE2's syntax](https://github.com/google/re2/wiki/Syntax). `(?i)` ignores case, `|` separates alternatives. The time that a match",
  "  takes grows linearly with the length of the text.",
  "- The size of a pattern is limited. It is compiled to steps: one for each character, class or operator, and two for a group. A",
  "  repeat counts the steps of what it repeats once per possible repetition: `.{0,1000}` has 2,002 steps, `(x?){300}` has 1,202.",
  `  The patterns of one rule may have ${counted(STEPS_PER_RULE)} steps together. A WorkStream may have ${PATTERNS_PER_STREAM} patterns, with ${counted(STEPS_PER_STREAM)} steps`,
  "  together. A rule beyond these limits is invalid, like one that does not compile: replace a large count with `*` or `+`.",
  "- `smschannel validate` says what is wrong with a rule before you apply it, in the same words as the WorkStream's condition",
  "  `RoutingReady`. An invalid rule is skipped with a warning event, and the rules after it are evaluated as if it did not exist.",
  "  Texts still arrive, and `Ready` does not change.",
  "",
];
