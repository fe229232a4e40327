/** One field that a rule can use. */
interface Fact {
  /** The field's type in CEL. */
  type: "string" | "int" | "bool" | "google.protobuf.Timestamp";
  meaning: string;
}

/**
 * Every field that a routing rule can use. Rules are type-checked against this table, and `docs/routing-rules.md` is generated
 * from it. The names are public: add new ones, but never rename one.
 */
export const facts = {
  message: {
    text: {
      type: "string",
      meaning: "The text as the customer sent it. Empty if the message has media only.",
    },
    segments: { type: "int", meaning: "Number of SMS segments of the text." },
    numMedia: { type: "int", meaning: "Number of pictures or files that came with the text." },
    receivedAt: { type: "google.protobuf.Timestamp", meaning: "When the receiver stored the text." },
  },
  customer: {
    number: { type: "string", meaning: "The customer's number with a plus, such as `+14155550100`." },
    country: {
      type: "string",
      meaning: "Two-letter ISO 3166 code such as `US`, as Twilio reports it. Empty if Twilio reports none.",
    },
    returning: { type: "bool", meaning: "Has there been a conversation with this customer before?" },
    lastQueue: {
      type: "string",
      meaning: "Name of the Queue of the last conversation. Empty if there was none.",
    },
  },
  number: {
    number: { type: "string", meaning: "The SmsNumber's digits, such as `14252306549`." },
    type: { type: "string", meaning: "`LongCode`, `TollFree` or `ShortCode`." },
    language: { type: "string", meaning: "The number's language, such as `en`." },
    open: { type: "bool", meaning: "Is the number open now? True if it has no operating hours." },
  },
  time: {
    now: { type: "google.protobuf.Timestamp", meaning: "The moment at which the rule is evaluated." },
    weekday: {
      type: "string",
      meaning:
        "`Monday` to `Sunday`, in the time zone of the number's operating hours. UTC if the number has no operating hours.",
    },
    minuteOfDay: {
      type: "int",
      meaning: "Minutes since midnight in the time zone of the number's operating hours: 540 is 9:00.",
    },
  },
} as const satisfies Record<string, Record<string, Fact>>;
