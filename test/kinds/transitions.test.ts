import { beforeAll, describe, test } from "vitest";
import { newNamespace } from "../support/cluster.ts";
import { compare, DryRunServer, type TestedObject, titleOf, validatorSays } from "./both.ts";
import { again, type Changes, hours, number, stream } from "./objects.ts";

/**
 * For each case: the object before, the changes, and a part of the error that both API server and validator must report.
 */
type Transitions = Record<string, [before: TestedObject, changes: Changes, complaint: string | undefined]>;

const MODE = "mode cannot be changed";
const pick = () => stream({ "workDistribution.mode": "Pick" });
const push = () => stream({ "workDistribution.mode": "Push" });
const tollFree = () => number({ number: "18885550100", type: "TollFree" });

const workStreams: Transitions = {
  "the default mode is added": [stream(), { "workDistribution.mode": "Push" }, undefined],
  "a mode other than the default is added": [
    stream(),
    { "workDistribution.mode": "Pick" },
    `${MODE}: it is "Push"`,
  ],
  "mode is changed from Push to Pick": [push(), { "workDistribution.mode": "Pick" }, `${MODE}: it is "Push"`],
  "mode is changed from Pick to Push": [pick(), { "workDistribution.mode": "Push" }, `${MODE}: it is "Pick"`],
  "mode Pick is removed, which makes the mode Push": [
    pick(),
    { "workDistribution.mode": undefined },
    `${MODE}: it is "Pick"`,
  ],
  "all of workDistribution is removed under mode Pick": [
    pick(),
    { workDistribution: undefined },
    `${MODE}: it is "Pick"`,
  ],
  "workDistribution is set to null under mode Pick": [
    pick(),
    { workDistribution: null },
    `${MODE}: it is "Pick"`,
  ],
  "mode Push is removed": [push(), { "workDistribution.mode": undefined }, undefined],
  "all of workDistribution is removed under mode Push": [push(), { workDistribution: undefined }, undefined],
  "fields other than the mode are changed": [
    stream(),
    {
      displayName: "Other",
      autoCloseAfterInactivity: "8h",
      allowAutomatedMessages: true,
      "sms.twilio.credentialsSecretRef.name": "other",
      "workDistribution.capacity": 50,
      suspend: true,
    },
    undefined,
  ],
  "a value is set that is forbidden in a new object as well": [
    stream(),
    { autoCloseAfterInactivity: "1h" },
    "at least 8h",
  ],
};

const CANNOT = "cannot be changed: delete this SmsNumber and create another one";
const smsNumbers: Transitions = {
  "the number is changed": [number(), { number: "14252306550" }, `number ${CANNOT}`],
  "the number is removed": [number(), { number: undefined }, "Required value"],
  "the stream is changed": [number(), { "workStreamRef.name": "sales" }, `workStreamRef.name ${CANNOT}`],
  "the stream is removed": [number(), { workStreamRef: undefined }, "Required value"],
  "the default type is added": [number(), { type: "LongCode" }, undefined],
  "the type and the number are changed": [
    number(),
    { type: "ShortCode", number: "894546" },
    `number ${CANNOT}`,
  ],
  "only the type is changed": [tollFree(), { type: "LongCode" }, `type ${CANNOT}`],
  "the type is removed from a toll-free number": [tollFree(), { type: undefined }, `type ${CANNOT}`],
  "the type is removed from a long code": [number({ type: "LongCode" }), { type: undefined }, undefined],
  "fields other than number, stream and type are changed": [
    number(),
    {
      description: "x",
      language: "es",
      "operatingHoursRef.name": "h",
      managementPolicy: "Observe",
      takeover: "Always",
      deletionPolicy: "Clear",
      suspend: true,
    },
    undefined,
  ],
};

const operatingHours: Transitions = {
  "the time zone is changed": [hours(), { timeZone: "UTC" }, undefined],
  "weekly hours are added": [
    hours(),
    { weekly: [{ days: ["Monday"], start: "08:00", end: "17:00" }] },
    undefined,
  ],
};

/** Tests the replacement of an existing object. The validator's `--old` gets the object as the cluster prints it. */
function onUpdate(title: string, transitions: Transitions) {
  describe(`API server and validator agree when ${title}`, () => {
    let server: DryRunServer;
    beforeAll(async () => {
      server = new DryRunServer(await newNamespace("kinds"));
    });
    for (const [name, [before, changes, complaint]] of Object.entries(transitions)) {
      test(titleOf(name, complaint), async () => {
        const stored = (await server.create(before, true)).object!;
        const after = again(before, changes);
        const { resourceVersion } = stored.metadata;
        const answer = await server.replace({ ...after, metadata: { ...after.metadata, resourceVersion } });
        compare(answer, validatorSays(after, stored), complaint);
      });
    }
  });
}

onUpdate("a WorkStream is changed", workStreams);
onUpdate("an SmsNumber is changed", smsNumbers);
onUpdate("an OperatingHours is changed", operatingHours);
