import { beforeAll, describe, expect, test } from "vitest";
import { jsonReport, textReport } from "./report.ts";
import { parseSources } from "./source.ts";
import { validate } from "./validate.ts";

const header = (kind: string, name: string, namespace?: string) =>
  `apiVersion: smschannel.dev/v1alpha1\nkind: ${kind}\nmetadata: {name: ${name}${namespace === undefined ? "" : `, namespace: "${namespace}"`}}\n`;
const stream = (name: string, more = "", namespace?: string) =>
  `${header("WorkStream", name, namespace)}spec:\n  autoCloseAfterInactivity: 8h\n  sms: {twilio: {credentialsSecretRef: {name: twilio}}}\n${more}`;
const number = (name: string, ofStream: string, digits: string, more = "", namespace?: string) =>
  `${header("SmsNumber", name, namespace)}spec:\n  workStreamRef: {name: ${ofStream}}\n  number: "${digits}"\n${more}`;
const hours = (name: string, zone: string) => `${header("OperatingHours", name)}spec: {timeZone: ${zone}}\n`;
const secret = (keys: string) =>
  `apiVersion: v1\nkind: Secret\nmetadata: {name: twilio}\nstringData: {${keys}}\n`;

const ALLOWED = "  allowAutomatedMessages: true\n";
const TEXT = `  automatedMessages: [{trigger: OutOfOperatingHours, text: closed}]\n`;
const COMPLIANCE =
  "  automatedMessages: [{trigger: OptOutConfirmation, text: a}, {trigger: OptInConfirmation, text: b}, {trigger: Help, text: c}]\n";
const HOURS = "  operatingHoursRef: {name: h}\n";

const judge = async (...documents: string[]) =>
  (await validate([parseSources("all.yaml", documents.join("---\n"))])).findings.map(
    ({ severity, kind, name, field, reason }) =>
      `${severity} ${kind} ${name} ${field} ${reason ?? ""}`.trim(),
  );

const rows: Record<string, [documents: string[], findings: string[]]> = {
  "a stream and its number": [[stream("a"), number("line", "a", "14252306549")], []],
  "a number whose stream is not in the files": [
    [number("line", "a", "14252306549")],
    ["warning SmsNumber line spec.workStreamRef.name WorkStreamNotFound"],
  ],
  "a number whose stream is in another namespace": [
    [stream("a", "", "x"), number("line", "a", "14252306549", "", "y")],
    ["warning SmsNumber line spec.workStreamRef.name WorkStreamNotFound"],
  ],
  "operating hours that are not in the files": [
    [stream("a", ALLOWED + TEXT), number("line", "a", "14252306549", HOURS)],
    ["warning SmsNumber line spec.operatingHoursRef.name OperatingHoursNotFound"],
  ],
  "operating hours on a stream that allows no automated messages": [
    [stream("a"), number("line", "a", "14252306549", HOURS), hours("h", "UTC")],
    ["error SmsNumber line spec.operatingHoursRef OperatingHoursNotAllowed"],
  ],
  "operating hours without a text to send outside of them": [
    [stream("a", ALLOWED), number("line", "a", "14252306549", HOURS), hours("h", "UTC")],
    ["warning SmsNumber line spec.operatingHoursRef"],
  ],
  "operating hours with a text in another language": [
    [
      stream("a", ALLOWED + TEXT),
      number("line", "a", "14252306549", `${HOURS}  language: es\n`),
      hours("h", "UTC"),
    ],
    ["warning SmsNumber line spec.operatingHoursRef"],
  ],
  "operating hours with a text in en for a number whose language is en-GB": [
    [
      stream("a", ALLOWED + TEXT),
      number("line", "a", "14252306549", `${HOURS}  language: en-GB\n`),
      hours("h", "UTC"),
    ],
    [],
  ],
  "two numbers for one stream": [
    [stream("a"), number("line", "a", "14252306549"), number("m", "a", "14252306550")],
    ["error SmsNumber m spec.workStreamRef.name WorkStreamAlreadyHasNumber"],
  ],
  "two numbers for streams of one name in two namespaces": [
    [
      stream("a", "", "x"),
      stream("a", "", "y"),
      number("line", "a", "14252306549", "", "x"),
      number("m", "a", "14252306550", "", "y"),
    ],
    [],
  ],
  "two SmsNumbers in two namespaces with the same number": [
    [
      stream("a", "", "x"),
      stream("a", "", "y"),
      number("line", "a", "14252306549", "", "x"),
      number("m", "a", "14252306549", "", "y"),
    ],
    ["error SmsNumber m spec.number NumberAlreadyClaimed"],
  ],
  "two SmsNumbers with the same number, one of which only observes": [
    [
      stream("a"),
      stream("b"),
      number("line", "a", "14252306549"),
      number("m", "b", "14252306549", "  managementPolicy: Observe\n"),
    ],
    [],
  ],
  "a short code without the replies that it needs": [
    [stream("a"), number("line", "a", "894546", "  type: ShortCode\n")],
    ["warning SmsNumber line spec.automatedMessages ComplianceRepliesMissing"],
  ],
  "a short code with the replies that it needs, on a stream that allows no automated messages": [
    [stream("a", COMPLIANCE), number("line", "a", "894546", "  type: ShortCode\n")],
    [],
  ],
  "texts that are never sent": [[stream("a", TEXT)], ["warning WorkStream a spec.automatedMessages"]],
  "a Secret without the token": [
    [secret("accountSid: AC1"), stream("a")],
    ["error WorkStream a spec.sms.twilio.credentialsSecretRef.name SecretKeyMissing"],
  ],
  "a Secret with both keys": [[secret("accountSid: AC1, authToken: x"), stream("a")], []],
  "an unknown time zone": [
    [hours("h", "Europe/Wien")],
    ["error OperatingHours h spec.timeZone TimeZoneUnknown"],
  ],
  "an object that occurs twice": [
    [hours("h", "UTC"), hours("h", "UTC")],
    ["error OperatingHours h metadata.name"],
  ],
  "a kind that does not exist": [[header("SmsNumbers", "line")], ["error undefined undefined kind"]],
  "an object of another API group": [
    ["apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: many}\n"],
    [],
  ],
  "a name with capitals": [
    [`${header("OperatingHours", "Support")}spec: {timeZone: UTC}\n`],
    ["error OperatingHours Support metadata.name"],
  ],
  "a status in a file": [[`${hours("h", "UTC")}status: {open: true}\n`], ["warning OperatingHours h status"]],
  "an object among empty documents": [["", "# nothing\n", hours("h", "UTC"), "\n"], []],
};

describe("the validator", () => {
  for (const [name, [documents, findings]] of Object.entries(rows))
    test(`finds ${findings.length === 0 ? "nothing wrong with" : "the problem of"} ${name}`, async () =>
      expect(await judge(...documents)).toEqual(findings));
});

/** Each case has a document and, in order, a part of each message that the validator must give about the document. */
const advice: Record<string, [text: string, said: string[]]> = {
  "a name that YAML reads as a boolean": [
    hours("n", "UTC"),
    ['must be of type string; put it in quotes: name: "n"'],
  ],
  "a name that is a number with a zero in front": [hours("010", "UTC"), ['put it in quotes: name: "010"']],
  "a name that YAML reads as null": [hours("~", "UTC"), ["Required value"]],
  "a namespace that YAML reads as a boolean": [
    hours("a", "UTC").replace("{name: a}", "{name: a, namespace: y}"),
    ['must be of type string; put it in quotes: namespace: "y"'],
  ],
  "a label that YAML reads as a boolean": [
    hours("a", "UTC").replace("{name: a}", "{name: a, labels: {on-call: yes}}"),
    ['put it in quotes: on-call: "yes"'],
  ],
  "an annotation that YAML reads as a number": [
    hours("a", "UTC").replace("{name: a}", "{name: a, annotations: {x: 1_000}}"),
    ['put it in quotes: x: "1_000"'],
  ],
  "a number with a plus": [
    `${header("SmsNumber", "line")}spec: {workStreamRef: {name: a}, number: +14252306549}\n`,
    ['put it in quotes: number: "14252306549"'],
  ],
  "an enum value that YAML reads as a boolean": [
    stream("a", "  workDistribution: {mode: off}\n"),
    [
      'must be of type string: "boolean"; put it in quotes: mode: "off"',
      "Unsupported value: off: supported values",
    ],
  ],
  "an empty file": ["", ["the file contains no object"]],
  "a file of comments": ["# nothing yet\n---\n", ["the file contains no object"]],
  "a Helm template's value in braces": [
    `${header("OperatingHours", "a")}spec: {timeZone: {{ .Values.zone }}}\n`,
    ["render it first"],
  ],
  "a Helm template's value on its own line": [
    `${header("OperatingHours", "a")}spec:\n  timeZone: {{ .Values.zone }}\n`,
    ["render it first"],
  ],
  "a Helm template's condition": [
    `{{- if .Values.hours }}\n${hours("a", "UTC")}{{- end }}\n`,
    ["render it first"],
  ],
  "a Helm template's name in metadata": [
    `${header("OperatingHours", "{{ .Release.Name }}-a")}spec: {timeZone: UTC}\n`,
    ["render it first"],
  ],
  "a Helm template's comment": [`{{/* hours: all day */}}\n${hours("a", "UTC")}`, ["render it first"]],
  "a Helm template's list": [
    `${header("OperatingHours", "a")}spec:\n  {{- range .Values.days }}\n  - {day: {{ .day }}}\n  {{- end }}\n`,
    ["render it first"],
  ],
  "braces in a double-quoted text, and a wrong indent elsewhere": [
    reply('"{{ hello }}"', "   mode: Push"),
    ["items must start at the same column"],
  ],
  "braces in a text in single quotes, and a list that does not end": [
    reply("'it''s {{ hello }}'", "  routingRules: ["),
    ["Flow sequence in block collection must be sufficiently indented"],
  ],
  "braces in a text without a closing quote": [
    reply('"{{ hello }}', "  mode: Push"),
    ['Missing closing "quote'],
  ],
  "braces in a text, and more text after its closing quote": [
    reply('"{{ hello }}" again', "  mode: Push"),
    ["Unexpected scalar"],
  ],
  "braces in a text without quotes, and a wrong indent elsewhere": [
    reply("Hi, {{ hello }}", " mode: Push"),
    ["items must start at the same column"],
  ],
  "braces in a comment of a line that is wrong": [
    reply('"Hello"', "   mode: Push # {{ mode }}"),
    ["items must start at the same column"],
  ],
};

/** A WorkStream with the given greeting, followed by the given line. */
function reply(text: string, line: string): string {
  return `${header("WorkStream", "a")}spec:\n  greeting: ${text}\n${line}\n`;
}

describe("a finding says what is wrong or what to write instead", () => {
  for (const [name, [text, said]] of Object.entries(advice))
    test(`for ${name}`, async () => {
      const { findings } = await validate([parseSources("a.yaml", text)]);
      expect(findings.map(({ severity, message }) => [severity, message])).toEqual(
        said.map((each) => ["error", expect.stringContaining(each)]),
      );
    });

  test("braces in a text do not make the file a template", async () => {
    const text = stream("a", `${ALLOWED}  automatedMessages: [{trigger: Greeting, text: "{{ hello }}"}]\n`);
    const { findings } = await validate([parseSources("a.yaml", text)]);
    expect(findings.filter(({ message }) => message.includes("render it first"))).toEqual([]);
  });

  test("a reference to an invalid WorkStream or invalid OperatingHours is not reported as missing", async () => {
    const faulty = [stream("a", "  channel: Fax\n"), hours("h", "Local")];
    const said = await judge(...faulty, number("line", "a", "14252306549", HOURS));
    expect(said).toEqual(["error WorkStream a spec.channel", "error OperatingHours h spec.timeZone"]);
  });
});

describe("a finding", () => {
  const text = `${hours("a", "UTC")}---\n${header("SmsNumber", "line")}spec:\n  workStreamRef: {name: a}\n  # a comment\n  number: 14252306549\n`;
  let report: string;
  beforeAll(async () => {
    report = textReport(await validate([parseSources("dir/x.yaml", text)]));
  });

  test("has file, line, kind, name, field and document, and says what to write", () => {
    expect(report.split("\n")[0]).toBe(
      'dir/x.yaml:12: error: SmsNumber line: spec.number: must be of type string: "integer"; put it in quotes: number: "14252306549" (document 2)',
    );
  });

  test("is counted in the last line of the report", () =>
    expect(report).toContain("2 objects, 1 error, 0 warnings\n"));

  test("has the line of its item when the file contains a List", async () => {
    const list = `kind: List\napiVersion: v1\nitems:\n- ${hours("h", "Local").trimEnd().replaceAll("\n", "\n  ")}\n`;
    const [finding] = (await validate([parseSources("list.yaml", list)])).findings;
    expect(finding).toMatchObject({ line: 7, field: "spec.timeZone", name: "h" });
  });

  test("has field, message, file and line in the JSON report about a JSON file", async () => {
    const object = {
      apiVersion: "smschannel.dev/v1alpha1",
      kind: "OperatingHours",
      metadata: { name: "h" },
      spec: {},
    };
    const result = await validate([parseSources("h.json", JSON.stringify(object))]);
    expect(JSON.parse(jsonReport(result))).toMatchObject({
      objects: 1,
      errors: 1,
      findings: [{ field: "spec.timeZone", message: "Required value", file: "h.json", line: 1 }],
    });
  });

  test.each([
    ["an alias without an anchor", "a: 1\n---\nkind: WorkStream\nspec: *foo\n", "Unresolved alias"],
    ["a YAML merge of a value that is not a map", "a: 1\n---\n<<: 3\n", "Merge sources must be maps"],
  ])("about %s names the document that has it", async (_, text, message) => {
    const { findings } = await validate([
      parseSources("bad.yaml", text),
      parseSources("good.yaml", hours("h", "UTC")),
    ]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ file: "bad.yaml", document: 2, severity: "error" });
    expect(findings[0]!.message).toContain(message);
  });
  test("about a syntax error has the line of the error", async () => {
    const [finding] = (await validate([parseSources("bad.yaml", "a: 1\nb: [1\nc: 2\n")])).findings;
    expect(finding).toMatchObject({ severity: "error", file: "bad.yaml", field: "" });
    expect(finding!.line).toBeGreaterThan(1);
  });

  // If a field occurs twice, kubectl uses the last one, so the first has no effect. The validator reports it as an error.
  test("reports a field that occurs twice", async () => {
    const { findings } = await validate([
      parseSources("x.yaml", `${hours("h", "UTC")}kind: OperatingHours\n`),
    ]);
    const [finding] = findings;
    expect(finding?.message).toContain("unique");
  });
});

describe("validation against the objects in the cluster", () => {
  const before = number("line", "a", "14252306549");
  const judgeChange = async (after: string) => {
    const old = [parseSources("old.yaml", before)];
    const { findings } = await validate([parseSources("new.yaml", after)], old);
    return findings
      .filter(({ severity }) => severity === "error")
      .map(({ file, message }) => `${file} ${message}`);
  };

  test("refuses a change of an SmsNumber's number", async () =>
    expect(await judgeChange(number("line", "a", "14252306550"))).toEqual([
      "new.yaml number cannot be changed: delete this SmsNumber and create another one",
    ]));
  test("accepts another SmsNumber with another number", async () =>
    expect(await judgeChange(number("m", "a", "14252306550"))).toEqual([]));
  test("accepts an unchanged object", async () => expect(await judgeChange(before)).toEqual([]));
});
