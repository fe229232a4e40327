/** One field that a rule may ask about. */
interface Fact {
  /** In CEL. */
  type: "string" | "int" | "bool" | "google.protobuf.Timestamp";
  meaning: string;
}

/**
 * Everything that a routing rule may ask about: the one declaration from which rules are type-checked, wherever that is done,
 * and from which `docs/routing-rules.md` is generated. Names are public: never renamed, only added.
 */
export const facts = {
  message: {
    text: { type: "string", meaning: "The text as the customer sent it; empty for one with media only." },
    segments: { type: "int", meaning: "Of how many SMS segments it was made." },
    numMedia: { type: "int", meaning: "How many pictures or files came with it." },
    receivedAt: { type: "google.protobuf.Timestamp", meaning: "When the receiver stored it." },
  },
  customer: {
    number: { type: "string", meaning: "The customer's number with a plus, such as `+14155550100`." },
    country: {
      type: "string",
      meaning: "Two letters of ISO 3166 such as `US`, as Twilio tells it; else empty.",
    },
    returning: { type: "bool", meaning: "Has there been a conversation with this customer before?" },
    lastQueue: { type: "string", meaning: "Name of the Queue of the last conversation; empty without one." },
  },
  number: {
    number: { type: "string", meaning: "The SmsNumber's digits, such as `14252306549`." },
    type: { type: "string", meaning: "`LongCode`, `TollFree` or `ShortCode`." },
    language: { type: "string", meaning: "The number's language, such as `en`." },
    open: { type: "bool", meaning: "Are its operating hours open? True without any." },
  },
  time: {
    now: { type: "google.protobuf.Timestamp", meaning: "The moment at which the rule is asked." },
    weekday: {
      type: "string",
      meaning: "`Monday` to `Sunday`, in the time zone of the number's operating hours; UTC without any.",
    },
    minuteOfDay: { type: "int", meaning: "Minutes since midnight by the clock of that zone: 540 is 9:00." },
  },
} as const satisfies Record<string, Record<string, Fact>>;
