import { bothSay, type Rows } from "./both.ts";
import { number } from "./objects.ts";

const PLUS = "digits only: write number:";
const n = (digits: unknown, type?: string) =>
  number({ number: digits, ...(type === undefined ? {} : { type }) });

const written: Rows = {
  "digits with the country code": [n("14252306549"), undefined],
  "a plus in front": [n("+14252306549"), `${PLUS} "14252306549"`],
  "blanks between the digits": [n("1 425 230 6549"), `${PLUS} "14252306549"`],
  "dashes between the digits": [n("1-425-230-6549"), `${PLUS} "14252306549"`],
  "plus, blanks, brackets and dash": [n("+1 (425) 230-6549"), `${PLUS} "14252306549"`],
  "dots between the digits": [n("1.425.230.6549"), `${PLUS} "14252306549"`],
  "a blank in front of the digits": [n(" 14252306549"), `${PLUS} "14252306549"`],
  "a blank after the digits": [n("14252306549 "), `${PLUS} "14252306549"`],
  "a line break after the digits": [n("14252306549\n"), "digits only: write the country code"],
  letters: [n("1425CONTOSO"), "digits only: write the country code and the number in quotes"],
  "an extension": [n("14252306549x12"), "digits only: write the country code"],
  "only a plus": [n("+"), "digits only: write the country code"],
  "digits of another script": [n("١٤٢٥٢٣٠٦٥٤٩"), "digits only: write the country code"],
  "an integer, as YAML reads digits without quotes": [n(14252306549), 'must be of type string: "integer"'],
  "a fraction": [n(1425230.5), 'must be of type string: "number"'],
  "a boolean": [n(true), 'must be of type string: "boolean"'],
  "a list": [n(["14252306549"]), 'must be of type string: "array"'],
  "an object": [n({ digits: "1" }), 'unknown field "spec.number.digits"'],
  "an empty text": [n(""), "at least 1 chars long"],
  "a text that is longer than any number": [n("1".repeat(41)), "Too long"],
  "no number": [n(undefined), "Required value"],
  "null as the number": [n(null), "Required value"],
};

const longCodes: Rows = {
  "seven digits": [n("4712345"), undefined],
  "six digits": [n("471234"), "for a short code write type: ShortCode"],
  "five digits": [n("47123"), "for a short code write type: ShortCode"],
  "four digits": [n("4712"), "write the country code and the number, 7 to 15 digits"],
  "fifteen digits": [n("491234567890123"), undefined],
  "sixteen digits": [n("4912345678901234"), "write the country code and the number, 7 to 15 digits"],
  "a zero in front": [n("04252306549"), "without zeros in front"],
  "two zeros in front": [n("0043123456789"), "without zeros in front"],
  "country code 1 and eleven digits": [n("12065550100"), undefined],
  "country code 1 and ten digits": [n("1206555010"), "after the country code 1 write ten digits"],
  "country code 1 and twelve digits": [n("120655501000"), "after the country code 1 write ten digits"],
  "country code 1 and an area code that begins with 0": [n("10255550100"), "the first from 2 to 9"],
  "country code 1 and an area code that begins with 1": [n("11255550100"), "the first from 2 to 9"],
  "type LongCode written out": [n("436601234567", "LongCode"), undefined],
  "a British mobile number": [n("447700900123"), undefined],
  ...Object.fromEntries(
    ["800", "833", "844", "855", "866", "877", "888"].map((prefix) => [
      `the toll-free prefix ${prefix}`,
      [n(`1${prefix}5550100`), "it is toll-free, write type: TollFree"] as const,
    ]),
  ),
  "822, which is not toll-free": [n("18225550100"), undefined],
  "899, which is not toll-free": [n("18995550100"), undefined],
};

const tollFree: Rows = {
  ...Object.fromEntries(
    ["800", "833", "844", "855", "866", "877", "888"].map((prefix) => [
      `the prefix ${prefix}`,
      [n(`1${prefix}5550100`, "TollFree"), undefined] as const,
    ]),
  ),
  "a prefix that is not toll-free": [n("14252306549", "TollFree"), "is not toll-free: write 1, one of 800"],
  "a number without the country code": [n("8885550100", "TollFree"), "is not toll-free"],
  "one digit too few": [n("1888555010", "TollFree"), "is not toll-free"],
  "one digit too many": [n("188855501000", "TollFree"), "is not toll-free"],
  "a plus in front": [n("+18885550100", "TollFree"), `${PLUS} "18885550100"`],
};

const shortCodes: Rows = {
  "five digits": [n("89454", "ShortCode"), undefined],
  "six digits": [n("894546", "ShortCode"), undefined],
  "a zero in front": [n("089454", "ShortCode"), undefined],
  "four digits": [n("8945", "ShortCode"), "is not a short code: write its 5 or 6 digits"],
  "seven digits": [n("8945461", "ShortCode"), "is not a short code"],
  "a number with a country code": [n("14252306549", "ShortCode"), "is not a short code"],
  "a dash": [n("894-546", "ShortCode"), `${PLUS} "894546"`],
};

const s = (changes: Record<string, unknown>) => number(changes);
const rest: Rows = {
  "an unknown type": [s({ type: "Mobile" }), 'supported values: "LongCode", "TollFree", "ShortCode"'],
  "a type in lower case": [s({ type: "longCode" }), "Unsupported value"],
  "a number without a stream": [s({ workStreamRef: undefined }), "Required value"],
  "a stream without a name": [s({ workStreamRef: {} }), "Required value"],
  "an empty name of a stream": [s({ "workStreamRef.name": "" }), "spec.workStreamRef.name"],
  "a name of a stream that no object can have": [s({ "workStreamRef.name": "Support" }), "should match"],
  "a stream of another namespace": [
    s({ "workStreamRef.namespace": "other" }),
    'unknown field "spec.workStreamRef.namespace"',
  ],
  "a description": [s({ description: "Main line ☎" }), undefined],
  "a description of 200 characters": [s({ description: "é".repeat(200) }), undefined],
  "a description of 201 characters": [s({ description: "é".repeat(201) }), "Too long"],
  "an empty description": [s({ description: "" }), undefined],
  "a language": [s({ language: "es-MX" }), undefined],
  "a language with a script": [s({ language: "zh-Hant-TW" }), undefined],
  "a language with an underscore": [s({ language: "en_US" }), "should match"],
  "a language by its name": [s({ language: "English" }), "should match"],
  "a language of one letter": [s({ language: "e" }), "spec.language"],
  "operating hours": [s({ "operatingHoursRef.name": "support-hours" }), undefined],
  "operating hours without a name": [s({ operatingHoursRef: {} }), "Required value"],
  "operating hours as a text": [
    s({ operatingHoursRef: "support-hours" }),
    'must be of type object: "string"',
  ],
  "managementPolicy Observe": [s({ managementPolicy: "Observe" }), undefined],
  "an unknown management policy": [s({ managementPolicy: "Watch" }), 'supported values: "Manage", "Observe"'],
  "takeover Always": [s({ takeover: "Always" }), undefined],
  "an unknown takeover": [s({ takeover: "Never" }), 'supported values: "WhenUnset", "Always"'],
  "deletionPolicy Restore": [s({ deletionPolicy: "Restore" }), undefined],
  "deletionPolicy Clear": [s({ deletionPolicy: "Clear" }), undefined],
  "deletionPolicy Retain": [s({ deletionPolicy: "Retain" }), undefined],
  "an unknown deletion policy": [
    s({ deletionPolicy: "Delete" }),
    'supported values: "Restore", "Clear", "Retain"',
  ],
  "suspend true": [s({ suspend: true }), undefined],
  "suspend true in quotes": [s({ suspend: "true" }), 'must be of type boolean: "string"'],
  "null for fields that are optional": [s({ description: null, type: null, suspend: null }), undefined],
  "an automated message of its own": [
    s({ automatedMessages: [{ trigger: "Help", text: "Call us" }] }),
    undefined,
  ],
  "an automated message with an unknown placeholder": [
    s({ automatedMessages: [{ trigger: "Help", text: "Hi {CustomerName}" }] }),
    "unknown placeholder {CustomerName}",
  ],
  "two messages for one trigger and language": [
    s({
      automatedMessages: [
        { trigger: "Help", text: "a" },
        { trigger: "Help", language: "en", text: "b" },
      ],
    }),
    "Duplicate value",
  ],
  "a field that does not exist": [s({ colour: "red" }), 'unknown field "spec.colour"'],
  "a field of another kind": [s({ timeZone: "UTC" }), 'unknown field "spec.timeZone"'],
};

bothSay("how a number is written", written);
bothSay("a long code", longCodes);
bothSay("a toll-free number", tollFree);
bothSay("a short code", shortCodes);
bothSay("the other fields of an SmsNumber", rest);
