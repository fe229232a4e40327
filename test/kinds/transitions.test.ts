import { beforeAll, describe, test } from "vitest";
import { newNamespace } from "../support/cluster.ts";
import { compare, DryRunServer, type TestedObject, validatorSays } from "./both.ts";
import { again, type Changes, hours, number, stream } from "./objects.ts";

/** The object before, the changes, and a part of the error that both must report. */
type Transitions = Record<string, [before: TestedObject, changes: Changes, complaint: string | undefined]>;

const MODE = "mode cannot be changed";
const pick = () => stream({ "workDistribution.mode": "Pick" });
const push = () => stream({ "workDistribution.mode": "Push" });
const tollFree = () => number({ number: "18885550100", type: "TollFree" });

const workStreams: Transitions = {
  "mode added as it is by default": [stream(), { "workDistribution.mode": "Push" }, undefined],
  "mode added, other than the default": [
    stream(),
    { "workDistribution.mode": "Pick" },
    `${MODE}: it is "Push"`,
  ],
  "mode changed from Push to Pick": [push(), { "workDistribution.mode": "Pick" }, `${MODE}: it is "Push"`],
  "mode changed from Pick to Push": [pick(), { "workDistribution.mode": "Push" }, `${MODE}: it is "Pick"`],
  "Pick removed, which makes it Push": [
    pick(),
    { "workDistribution.mode": undefined },
    `${MODE}: it is "Pick"`,
  ],
  "all of workDistribution removed under Pick": [
    pick(),
    { workDistribution: undefined },
    `${MODE}: it is "Pick"`,
  ],
  "workDistribution set to null under Pick": [pick(), { workDistribution: null }, `${MODE}: it is "Pick"`],
  "Push removed": [push(), { "workDistribution.mode": undefined }, undefined],
  "all of workDistribution removed under Push": [push(), { workDistribution: undefined }, undefined],
  "everything else changed": [
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
  "a change that a rule of one object forbids": [stream(), { autoCloseAfterInactivity: "1h" }, "at least 8h"],
};

const CANNOT = "cannot be changed: delete this SmsNumber and create another one";
const smsNumbers: Transitions = {
  "number changed": [number(), { number: "14252306550" }, `number ${CANNOT}`],
  "number removed": [number(), { number: undefined }, "Required value"],
  "stream changed": [number(), { "workStreamRef.name": "sales" }, `workStreamRef.name ${CANNOT}`],
  "stream removed": [number(), { workStreamRef: undefined }, "Required value"],
  "type added as it is by default": [number(), { type: "LongCode" }, undefined],
  "type changed": [number(), { type: "ShortCode", number: "894546" }, `number ${CANNOT}`],
  "type changed and the number not": [tollFree(), { type: "LongCode" }, `type ${CANNOT}`],
  "type removed from a toll-free number": [tollFree(), { type: undefined }, `type ${CANNOT}`],
  "type removed from a long code": [number({ type: "LongCode" }), { type: undefined }, undefined],
  "everything else changed": [
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
  "the time zone changed": [hours(), { timeZone: "UTC" }, undefined],
  "a week added": [hours(), { weekly: [{ days: ["Monday"], start: "08:00", end: "17:00" }] }, undefined],
};

/** Replaces an existing object. The validator's `--old` gets the object as the cluster prints it. */
function onUpdate(title: string, transitions: Transitions) {
  describe(title, () => {
    let server: DryRunServer;
    beforeAll(async () => {
      server = new DryRunServer(await newNamespace("kinds"));
    });
    for (const [name, [before, changes, complaint]] of Object.entries(transitions)) {
      test(name, async () => {
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
