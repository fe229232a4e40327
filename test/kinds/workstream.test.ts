import { bothSay, type Rows } from "./both.ts";
import { stream } from "./objects.ts";

const one = (path: string, value: unknown) => stream({ [path]: value });
const NOT_A_DURATION = "is not a duration in h, m and s";

/** The cases that are tested for every field that holds a duration. */
function durations(
  path: string,
  said: { day: string; short: string; shortest: string; tooShort: string },
): Rows {
  return {
    [`${path} at its minimum`]: [one(path, said.shortest), undefined],
    [`${path} below its minimum`]: [one(path, said.tooShort), said.short],
    [`${path} in hours, minutes and seconds`]: [one(path, "9h59m59s"), undefined],
    [`${path} as Go prints a duration`]: [one(path, "720h0m0s"), undefined],
    [`${path} in days`]: [one(path, "2d"), said.day],
    [`${path} in words`]: [one(path, "1 day"), said.day],
    [`${path} in ISO 8601`]: [one(path, "PT8H"), said.day],
    [`${path} that is negative`]: [one(path, "-8h"), said.day],
    [`${path} with a fraction`]: [one(path, "8.5h"), said.day],
    [`${path} in milliseconds`]: [one(path, "9000ms"), said.day],
    [`${path} with its units out of order`]: [one(path, "30m9h"), said.day],
    [`${path} without a unit`]: [one(path, "86400"), said.day],
    [`${path} with a blank`]: [one(path, "8h 30m"), said.day],
    [`${path} with more than 999,999 hours`]: [one(path, "9999999h"), said.day],
    [`${path} of 999,999 hours and 999 minutes`]: [one(path, "999999h999m"), undefined],
    [`${path} that is empty`]: [one(path, ""), path],
    [`${path} that is a number`]: [one(path, 28800), 'must be of type string: "integer"'],
    [`${path} of more than 16 characters`]: [one(path, `${"0".repeat(16)}h`), "Too long"],
  };
}

bothSay("durations with a minimum", {
  ...durations("autoCloseAfterInactivity", {
    day: "two days as 48h",
    short: "is too short for texts: write at least 8h",
    shortest: "8h",
    tooShort: "7h59m59s",
  }),
  ...durations("stateTimeouts.open", {
    day: NOT_A_DURATION,
    short: "is too short: write at least 1m",
    shortest: "1m",
    tooShort: "59s",
  }),
  ...durations("stateTimeouts.active", {
    day: NOT_A_DURATION,
    short: "is too short: write at least 1m",
    shortest: "60s",
    tooShort: "0h",
  }),
  ...durations("stateTimeouts.wrapUp", {
    day: NOT_A_DURATION,
    short: "is too short: write at least 1m",
    shortest: "1m",
    tooShort: "1s",
  }),
  ...durations("retention.messages", {
    day: NOT_A_DURATION,
    short: "is too short: write at least 1h",
    shortest: "1h",
    tooShort: "59m59s",
  }),
  ...durations("retention.media", {
    day: NOT_A_DURATION,
    short: "is too short: write at least 1h",
    shortest: "60m",
    tooShort: "1s",
  }),
  ...durations("agentDisconnectTimeout", {
    day: NOT_A_DURATION,
    short: "is too short: write at least 1s",
    shortest: "1s",
    tooShort: "0s",
  }),
});

bothSay("the minimum of 8 hours for autoCloseAfterInactivity", {
  "exactly 8h": [one("autoCloseAfterInactivity", "8h"), undefined],
  "480 minutes": [one("autoCloseAfterInactivity", "480m"), undefined],
  "28800 seconds": [one("autoCloseAfterInactivity", "28800s"), undefined],
  "a second less than 8h": [one("autoCloseAfterInactivity", "28799s"), "at least 8h"],
  "a missing duration": [one("autoCloseAfterInactivity", undefined), "Required value"],
});

const OFFER = "write 30s, 60s, 90s and so on in steps of 30s up to 300s";
bothSay("the time-out of an offer to an agent", {
  ...Object.fromEntries(
    ["30s", "60s", "1m", "90s", "1m30s", "120s", "270s", "300s", "5m"].map((text) => [
      text,
      [one("workDistribution.notification.timeout", text), undefined] as const,
    ]),
  ),
  ...Object.fromEntries(
    ["0s", "1s", "29s", "31s", "45s", "299s", "301s", "330s", "1h", "2d", "90", "-30s"].map((text) => [
      text,
      [one("workDistribution.notification.timeout", text), OFFER] as const,
    ]),
  ),
});

const BLOCK = "write Always, Never, or a duration from 30s to 60m";
bothSay("how long wrap-up blocks capacity", {
  ...Object.fromEntries(
    ["Always", "Never", "30s", "1m", "5m", "60m", "1h", "3600s"].map((text) => [
      text,
      [one("workDistribution.wrapUp.blockCapacity", text), undefined] as const,
    ]),
  ),
  ...Object.fromEntries(
    ["always", "None", "29s", "0s", "61m", "1h1s", "3601s", "1d", "30"].map((text) => [
      text,
      [one("workDistribution.wrapUp.blockCapacity", text), BLOCK] as const,
    ]),
  ),
});

bothSay("fields that only Push allows", {
  "Push with keepSameAgent": [
    stream({ "workDistribution.mode": "Push", "workDistribution.keepSameAgent": false }),
    undefined,
  ],
  "keepSameAgent without a mode": [one("workDistribution.keepSameAgent", true), undefined],
  "Push with selectFromPush": [one("workDistribution.selectFromPush", true), undefined],
  "Pick without other fields": [one("workDistribution.mode", "Pick"), undefined],
  "Pick with keepSameAgent": [
    stream({ "workDistribution.mode": "Pick", "workDistribution.keepSameAgent": true }),
    "keepSameAgent goes with mode: Push only",
  ],
  "Pick with keepSameAgent: false": [
    stream({ "workDistribution.mode": "Pick", "workDistribution.keepSameAgent": false }),
    "keepSameAgent goes with mode: Push only",
  ],
  "Pick with selectFromPush": [
    stream({ "workDistribution.mode": "Pick", "workDistribution.selectFromPush": true }),
    "selectFromPush goes with mode: Push only",
  ],
  "Pick with selectFromPush: false": [
    stream({ "workDistribution.mode": "Pick", "workDistribution.selectFromPush": false }),
    "selectFromPush goes with mode: Push only",
  ],
  "an unknown mode": [one("workDistribution.mode", "Pull"), 'supported values: "Push", "Pick"'],
});

bothSay("the fields of workDistribution that every mode allows", {
  "a capacity of 1": [one("workDistribution.capacity", 1), undefined],
  "a capacity of 0": [one("workDistribution.capacity", 0), "greater than or equal to 1"],
  "a negative capacity": [one("workDistribution.capacity", -25), "greater than or equal to 1"],
  "a capacity above the maximum": [
    one("workDistribution.capacity", 1_000_001),
    "less than or equal to 1000000",
  ],
  "a capacity with a fraction": [one("workDistribution.capacity", 12.5), "must be of type int"],
  "a capacity in quotes": [one("workDistribution.capacity", "25"), 'must be of type integer: "string"'],
  "all presences": [
    one("workDistribution.allowedPresences", ["Available", "Busy", "BusyDoNotDisturb", "Away"]),
    undefined,
  ],
  "an empty list of presences": [one("workDistribution.allowedPresences", []), "at least 1 items"],
  "the same presence twice": [one("workDistribution.allowedPresences", ["Busy", "Busy"]), "Duplicate value"],
  "a presence that does not exist": [
    one("workDistribution.allowedPresences", ["Offline"]),
    "Unsupported value",
  ],
  "five presences": [
    one("workDistribution.allowedPresences", ["Available", "Busy", "BusyDoNotDisturb", "Away", "Away"]),
    "Too many",
  ],
  "skillMatching Exact": [one("workDistribution.skillMatching", "Exact"), undefined],
  "skillMatching Closest": [one("workDistribution.skillMatching", "Closest"), undefined],
  "skillMatching in lower case": [one("workDistribution.skillMatching", "exact"), "Unsupported value"],
  "an offer that cannot be declined": [one("workDistribution.notification.rejectable", false), undefined],
  "inactiveOnMiss true": [one("workDistribution.notification.inactiveOnMiss", true), undefined],
  "an empty workDistribution": [one("workDistribution", {}), undefined],
  "workDistribution: null": [one("workDistribution", null), undefined],
  "workDistribution as a list": [one("workDistribution", []), 'must be of type object: "array"'],
});

const twilio = (changes: Record<string, unknown>) =>
  stream(Object.fromEntries(Object.entries(changes).map(([key, value]) => [`sms.twilio.${key}`, value])));
bothSay("the Twilio account", {
  "region and edge": [twilio({ region: "ie1", edge: "dublin" }), undefined],
  "region without edge": [twilio({ region: "ie1" }), "region is set and edge is not"],
  "edge without region": [twilio({ edge: "dublin" }), "edge is set and region is not"],
  "a region with a dot, which would lead to another host": [
    twilio({ region: "ie1.evil.example", edge: "dublin" }),
    "should match",
  ],
  "an edge with a slash": [twilio({ region: "ie1", edge: "a/b" }), "should match"],
  "an edge with an at sign": [twilio({ region: "ie1", edge: "a@b" }), "should match"],
  "a region in capitals": [twilio({ region: "IE1", edge: "dublin" }), "should match"],
  "a region that begins with a digit": [twilio({ region: "1e", edge: "dublin" }), "should match"],
  "an empty region": [twilio({ region: "", edge: "dublin" }), "should match"],
  "a region of 31 characters": [twilio({ region: "a".repeat(31), edge: "dublin" }), undefined],
  "a region of 32 characters": [twilio({ region: "a".repeat(32), edge: "dublin" }), "Too long"],
  "region and edge: null": [twilio({ region: null, edge: null }), undefined],
  "no reference to a Secret": [twilio({ credentialsSecretRef: undefined }), "Required value"],
  "a Secret without a name": [twilio({ credentialsSecretRef: {} }), "Required value"],
  "a Secret of another namespace": [
    twilio({ "credentialsSecretRef.namespace": "kube-system" }),
    "unknown field",
  ],
  "a Secret's name with an underscore": [
    twilio({ "credentialsSecretRef.name": "my_secret" }),
    "should match",
  ],
  "a Secret's name of 253 characters": [twilio({ "credentialsSecretRef.name": "a".repeat(253) }), undefined],
  "a Secret's name of 254 characters": [twilio({ "credentialsSecretRef.name": "a".repeat(254) }), "Too long"],
  "the token itself in the spec": [
    twilio({ authToken: "secret" }),
    'unknown field "spec.sms.twilio.authToken"',
  ],
  "a stream without sms": [one("sms", undefined), "Required value"],
  "sms without twilio": [one("sms", {}), "Required value"],
  "a provider other than Twilio": [one("sms.provider", "TeleSign"), 'supported values: "Twilio"'],
  "a channel other than SMS": [one("channel", "WhatsApp"), 'supported values: "SMS"'],
  "the default channel written out": [one("channel", "SMS"), undefined],
});

const text = (value: unknown, more: object = {}) =>
  one("automatedMessages", [{ trigger: "Greeting", text: value, ...more }]);
const TRIGGERS = [
  "Greeting",
  "OutOfOperatingHours",
  "Holiday",
  "AgentAssigned",
  "AgentJoined",
  "TransferredToAgent",
  "AgentEnded",
  "SessionEnded",
  "AgentUnavailable",
  "ConversationEndedByOverflow",
  "UnsupportedContent",
  "OptOutConfirmation",
  "OptInConfirmation",
  "Help",
];
bothSay("automated messages", {
  "a text for every trigger": [
    one(
      "automatedMessages",
      TRIGGERS.map((trigger) => ({ trigger, text: "Hello" })),
    ),
    undefined,
  ],
  "one trigger in two languages": [
    one("automatedMessages", [
      { trigger: "Help", text: "Help" },
      { trigger: "Help", language: "es", text: "Ayuda" },
    ]),
    undefined,
  ],
  "one trigger twice in the default language": [
    one("automatedMessages", [
      { trigger: "Help", text: "a" },
      { trigger: "Help", language: "en", text: "b" },
    ]),
    "Duplicate value",
  ],
  "one trigger twice in another language": [
    one("automatedMessages", [
      { trigger: "Help", language: "es", text: "a" },
      { trigger: "Help", language: "es", text: "b" },
    ]),
    "Duplicate value",
  ],
  "an unknown trigger": [one("automatedMessages", [{ trigger: "Goodbye", text: "x" }]), "Unsupported value"],
  "a message without a trigger": [one("automatedMessages", [{ text: "x" }]), "Required value"],
  "a message without a text": [one("automatedMessages", [{ trigger: "Help" }]), "Required value"],
  "an empty text": [text(""), "at least 1 chars long"],
  "a blank text": [text(" \n\t "), "the text is blank"],
  "a text of 1,600 characters": [text("é".repeat(1600)), undefined],
  "a text of 1,601 characters": [text("e".repeat(1601)), "Too long"],
  "a text of 1,600 emoji": [text("😀".repeat(1600)), undefined],
  "both placeholders": [text("{AgentName} of {QueueName} is here"), undefined],
  "an unknown placeholder": [text("Hello {CustomerName}"), "unknown placeholder {CustomerName}"],
  "a placeholder in lower case": [text("Hello {agentName}"), "unknown placeholder {agentName}"],
  "a placeholder with blanks": [text("Hello { AgentName }"), "unknown placeholder { AgentName }"],
  "a known and an unknown placeholder": [text("{AgentName} {Foo} {QueueName}"), "unknown placeholder {Foo}"],
  "a placeholder within another": [text("{Agent{AgentName}Name}"), "unknown placeholder {AgentName}"],
  "empty braces": [text("a {} b"), "unknown placeholder {}"],
  "a variable written as {$Name$}": [text("{$Name$}"), "unknown placeholder {$Name$}"],
  "braces that do not close": [text("a { b"), undefined],
  "braces over two lines": [text("a {b\nc} d"), undefined],
  "a language with a region": [text("Hallo", { language: "de-AT" }), undefined],
  "a language with an underscore": [text("Hallo", { language: "de_AT" }), "should match"],
  "an empty language": [text("Hallo", { language: "" }), "spec.automatedMessages[0].language"],
  "an unknown field": [text("Hallo", { active: true }), 'unknown field "spec.automatedMessages[0].active"'],
  "129 messages": [
    one(
      "automatedMessages",
      Array.from({ length: 129 }, (_, i) => ({
        trigger: "Help",
        language: `en-${String(i).padStart(3, "0")}`,
        text: "x",
      })),
    ),
    "Too many",
  ],
  "128 messages": [
    one(
      "automatedMessages",
      Array.from({ length: 128 }, (_, i) => ({
        trigger: "Help",
        language: `en-${String(i).padStart(3, "0")}`,
        text: "x",
      })),
    ),
    undefined,
  ],
  "an object in place of the list": [
    one("automatedMessages", { Greeting: "Hello" }),
    'unknown field "spec.automatedMessages.Greeting"',
  ],
  "a null in the list": [one("automatedMessages", [null]), 'must be of type object: "null"'],
});

const rule = (more: object) => one("routingRules", [{ name: "vip", when: "customer.returning", ...more }]);
bothSay("routing rules", {
  "a rule with a queue and skills": [
    rule({ queueRef: { name: "vip" }, skills: [{ name: "Spanish", rating: 3 }, { name: "Billing" }] }),
    undefined,
  ],
  "a rule without a name": [one("routingRules", [{ when: "true" }]), "Required value"],
  "a rule without an expression": [one("routingRules", [{ name: "a" }]), "Required value"],
  "an empty expression": [rule({ when: "" }), "at least 1 chars long"],
  "an expression of 1,000 characters": [rule({ when: "a".repeat(1000) }), undefined],
  "an expression of 1,001 characters": [rule({ when: "a".repeat(1001) }), "Too long"],
  "two rules with the same name": [
    one("routingRules", [
      { name: "a", when: "true" },
      { name: "a", when: "false" },
    ]),
    "Duplicate value",
  ],
  "a rule's name that is no DNS label": [rule({ name: "VIP customers" }), "should match"],
  "64 rules": [
    one(
      "routingRules",
      Array.from({ length: 64 }, (_, i) => ({ name: `r${i}`, when: "true" })),
    ),
    undefined,
  ],
  "65 rules": [
    one(
      "routingRules",
      Array.from({ length: 65 }, (_, i) => ({ name: `r${i}`, when: "true" })),
    ),
    "Too many",
  ],
  "a rating of 0": [rule({ skills: [{ name: "a", rating: 0 }] }), "greater than or equal to 1"],
  "a rating of 101": [rule({ skills: [{ name: "a", rating: 101 }] }), "less than or equal to 100"],
  "the same skill twice in one rule": [rule({ skills: [{ name: "a" }, { name: "a" }] }), "Duplicate value"],
  "a queue without a name": [rule({ queueRef: {} }), "Required value"],
  "a default queue": [one("defaultQueueRef", { name: "support" }), undefined],
  "a default queue without a name": [one("defaultQueueRef", {}), "Required value"],
  "a default queue that is only a name": [
    one("defaultQueueRef", "support"),
    'must be of type object: "string"',
  ],
});

const RECEIVED = "dev.smschannel.message.received";
const sink = (more: object) => ({
  name: "crm",
  events: [RECEIVED],
  serviceRef: { name: "crm", port: 8080 },
  ...more,
});
const sinks = (...all: object[]) => one("sinks", all);
const toUrl = (url: unknown) => sinks({ name: "crm", events: [RECEIVED], url });
bothSay("sinks", {
  "a sink with a Service": [sinks(sink({})), undefined],
  "a Service with a path": [
    sinks(sink({ serviceRef: { name: "crm", port: 80, path: "/hooks/sms?v=1" } })),
    undefined,
  ],
  "a sink with a URL": [toUrl("https://crm.example.com/sms?a=b"), undefined],
  "a URL with a port": [toUrl("https://crm.example.com:8443"), undefined],
  "a URL with a query and no path": [toUrl("https://crm.example.com?tenant=1"), undefined],
  "a sink with neither a Service nor a URL": [
    sinks({ name: "crm", events: [RECEIVED] }),
    'sink "crm" leads nowhere',
  ],
  "a sink with both a Service and a URL": [
    sinks(sink({ url: "https://a.example" })),
    'sink "crm" has both serviceRef and url',
  ],
  "a URL with plain http": [toUrl("http://crm.example.com"), "plain http is not used"],
  "a URL with another scheme": [toUrl("ftp://crm.example.com"), "write an https URL"],
  "a URL without a scheme": [toUrl("crm.example.com/sms"), "write an https URL"],
  "a URL without a host": [toUrl("https:///sms"), "write an https URL"],
  "a URL with a user and a password": [toUrl("https://user:pass@crm.example.com"), "write an https URL"],
  "a URL with a fragment": [toUrl("https://crm.example.com/#a"), "write an https URL"],
  "a blank in the URL": [toUrl("https://crm.example.com/a b"), "write an https URL"],
  "a line break after the URL": [toUrl("https://crm.example.com/\n"), "write an https URL"],
  "a URL with letters beyond ASCII": [toUrl("https://crm.example.com/ä"), "write an https URL"],
  "an empty URL": [toUrl(""), "at least 1 chars long"],
  "a sink for every event": [
    sinks(
      sink({
        events: [
          RECEIVED,
          "dev.smschannel.message.status",
          "dev.smschannel.conversation.opened",
          "dev.smschannel.conversation.assigned",
          "dev.smschannel.conversation.closed",
          "dev.smschannel.customer.erased",
        ],
      }),
    ),
    undefined,
  ],
  "a sink with an empty list of events": [sinks(sink({ events: [] })), "at least 1 items"],
  "a sink without events": [sinks({ name: "crm", serviceRef: { name: "crm", port: 80 } }), "Required value"],
  "an event without its prefix": [sinks(sink({ events: ["message.received"] })), "Unsupported value"],
  "the same event twice in one sink": [sinks(sink({ events: [RECEIVED, RECEIVED] })), "Duplicate value"],
  "two sinks with the same name": [sinks(sink({}), sink({})), "Duplicate value"],
  "a sink's name that is no DNS label": [sinks(sink({ name: "my.crm" })), "should match"],
  "a sink's name of 64 characters": [sinks(sink({ name: "a".repeat(64) })), "Too long"],
  "the shortest time-out": [sinks(sink({ timeout: "1s" })), undefined],
  "the longest time-out": [sinks(sink({ timeout: "30s" })), undefined],
  "a time-out of 0s": [sinks(sink({ timeout: "0s" })), "write 1s to 30s"],
  "a time-out that is too long": [sinks(sink({ timeout: "31s" })), "write 1s to 30s"],
  "a time-out in milliseconds": [sinks(sink({ timeout: "500ms" })), "write 1s to 30s"],
  "a port of 0": [sinks(sink({ serviceRef: { name: "crm", port: 0 } })), "greater than or equal to 1"],
  "a port of 65536": [
    sinks(sink({ serviceRef: { name: "crm", port: 65536 } })),
    "less than or equal to 65535",
  ],
  "a port that is a name": [
    sinks(sink({ serviceRef: { name: "crm", port: "http" } })),
    'must be of type integer: "string"',
  ],
  "a Service without a port": [sinks(sink({ serviceRef: { name: "crm" } })), "Required value"],
  "a path without a slash": [
    sinks(sink({ serviceRef: { name: "crm", port: 80, path: "hooks" } })),
    "should match",
  ],
  "a Service of another namespace": [
    sinks(sink({ serviceRef: { name: "crm", namespace: "other", port: 80 } })),
    "unknown field",
  ],
  "a Service's name with a dot": [
    sinks(sink({ serviceRef: { name: "crm.other", port: 80 } })),
    "should match",
  ],
  "a signing Secret": [sinks(sink({ signingSecretRef: { name: "crm", key: "signing.key" } })), undefined],
  "a signing Secret without a key": [sinks(sink({ signingSecretRef: { name: "crm" } })), "Required value"],
  "a signing Secret's key with a slash": [
    sinks(sink({ signingSecretRef: { name: "crm", key: "a/b" } })),
    "should match",
  ],
  "17 sinks": [sinks(...Array.from({ length: 17 }, (_, i) => sink({ name: `s${i}` }))), "Too many"],
});

const first = (name: string, ...all: object[]) =>
  stream({ "firstResponder.sink": name, ...(all.length === 0 ? {} : { sinks: all }) });
bothSay("the first responder", {
  "a sink that gets texts": [first("crm", sink({})), undefined],
  "a first responder without any sinks": [first("crm"), 'there is no sink "crm" in spec.sinks'],
  "a name that no sink has": [first("bot", sink({})), 'there is no sink "bot" in spec.sinks'],
  "a sink that gets no texts": [
    first("crm", sink({ events: ["dev.smschannel.conversation.closed"] })),
    "add dev.smschannel.message.received to its events",
  ],
  "the second of two sinks": [first("bot", sink({}), sink({ name: "bot" })), undefined],
  "a first responder without a name": [stream({ firstResponder: {} }), "Required value"],
});

bothSay("displayName, quick replies, switches and unknown fields of a WorkStream", {
  "the smallest WorkStream": [stream(), undefined],
  "a displayName": [one("displayName", "Kundendienst 📱"), undefined],
  "a displayName of 100 characters": [one("displayName", "é".repeat(100)), undefined],
  "a displayName of 101 characters": [one("displayName", "é".repeat(101)), "Too long"],
  "an empty displayName": [one("displayName", ""), "at least 1 chars long"],
  "displayName null": [one("displayName", null), undefined],
  "allowAutomatedMessages true": [one("allowAutomatedMessages", true), undefined],
  "allowAutomatedMessages yes, as a text": [
    one("allowAutomatedMessages", "yes"),
    'must be of type boolean: "string"',
  ],
  "media.inbound true": [one("media.inbound", true), undefined],
  "a quick reply": [one("quickReplies", [{ name: "Order number", text: "Which order?" }]), undefined],
  "two quick replies with the same name": [
    one("quickReplies", [
      { name: "a", text: "x" },
      { name: "a", text: "y" },
    ]),
    "Duplicate value",
  ],
  "a quick reply without a text": [one("quickReplies", [{ name: "a" }]), "Required value"],
  "a quick reply of 1,601 characters": [
    one("quickReplies", [{ name: "a", text: "x".repeat(1601) }]),
    "Too long",
  ],
  "pauseReplies true": [one("pauseReplies", true), undefined],
  "suspend true": [one("suspend", true), undefined],
  "an unknown field": [one("autoClose", "8h"), 'unknown field "spec.autoClose"'],
  "an unknown field of a nested object": [
    one("workDistribution.notification.timeoutSeconds", 30),
    'unknown field "spec.workDistribution.notification.timeoutSeconds"',
  ],
  "a WorkStream without a spec": [{ ...stream(), spec: undefined }, "Required value"],
  "a spec that is null": [{ ...stream(), spec: null }, "Required value"],
  "a spec that is a text": [{ ...stream(), spec: "Push" }, 'must be of type object: "string"'],
  "a field beside spec": [{ ...stream(), data: {} } as never, 'unknown field "data"'],
});
