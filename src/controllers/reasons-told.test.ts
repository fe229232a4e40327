import { describe, expect, test } from "vitest";
import type { SmsNumber, WorkStream } from "../api/index.ts";
import { type Reason, reasons } from "../api/reasons.ts";
import { Failure } from "../errors.ts";
import type { Verdict } from "../kube/status/summarise.ts";
import { parseCredentials } from "../twilio/credentials.ts";
import { failureFrom, TwilioFault } from "../twilio/fault.ts";
import { uninstalledStatus } from "./release/uninstalled.ts";
import { refusal } from "./selfcheck/refusals.ts";
import { refusalOf } from "./smsnumber/accepted.ts";
import { failedVerdicts as failedNumber, numberVerdicts } from "./smsnumber/outcome.ts";
import { failedVerdicts as failedStream } from "./workstream/outcome.ts";
import { streamVerdicts } from "./workstream/verdicts.ts";

// docs/reasons.md is made from the table `reasons`. If a condition could have a reason that the table does not list for
// it, a user would find no remedy for that reason in docs/reasons.md.

const EVERY: Record<string, string[]> = {
  WorkStream: ["CredentialsValid", "InboundUrlReady", "NumberReady", "RoutingReady", "Ready"],
  SmsNumber: ["Accepted", "NumberFound", "InboundUrlReady", "Ready"],
};
const table = new Set(
  Object.entries(reasons).flatMap(([reason, { on }]) =>
    on.flatMap((where) => {
      const [kind = "", condition = ""] = where.split(".");
      return (condition === "*" ? EVERY[kind]! : [condition]).map((each) => `${kind}.${each} ${reason}`);
    }),
  ),
);
/**
 * The reasons of these conditions that the table does not list for them. `Ready` and `NumberReady` are left out,
 * because they repeat the reason of another condition.
 */
const lacking = (kind: string, conditions: readonly Pick<Verdict, "type" | "reason">[]) =>
  conditions
    .filter(({ type }) => type !== "Ready" && type !== "NumberReady")
    .map(({ type, reason }) => `${kind}.${type} ${reason}`)
    .filter((told) => !table.has(told));

const NOW = Date.UTC(2026, 0, 1);
const stream = { metadata: { name: "s", generation: 1 }, spec: {} } as WorkStream;
const number = {
  kind: "SmsNumber",
  metadata: { name: "n", generation: 1 },
  spec: { type: "ShortCode", workStreamRef: { name: "s" }, operatingHoursRef: { name: "h" } },
} as SmsNumber;

function failureOf(run: () => unknown): Failure {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return error;
  }
  throw new Error("did not fail");
}

const sid = (prefix: string) => `${prefix}${"0".repeat(32)}`;
const secret = { accountSid: sid("AC"), authToken: "0".repeat(32) };
const ofTheSecret = [
  failureOf(() => parseCredentials({}, {})),
  failureOf(() => parseCredentials({ ...secret, accountSid: "AC" }, {})),
  failureOf(() => parseCredentials({ ...secret, authToken: sid("AC") }, {})),
  failureOf(() => parseCredentials(secret, { region: "ie1" })),
  new Failure("SecretNotFound", "it is not there"),
  new Failure("SecretForbidden", "it may not be read"),
  new Failure("SubaccountNeedsOwnToken", "the token is the parent's"),
];
const ofTwilio = [
  { status: 400 },
  { status: 401 },
  { status: 403 },
  { status: 404 },
  { status: 429 },
  { status: 500 },
  { status: 400, twilioCode: 10001 },
  { status: 401, twilioCode: 70051 },
  { code: "ECONNREFUSED" },
].map((facts) => failureFrom(new TwilioFault("Any", facts), { purpose: "look", permission: "any" }));

/** The reasons that a self-check finds, and the reasons for which a URL cannot work whatever a self-check finds. */
const ofTheUrl: Reason[] = [
  ...[200, 302, 401, 404, 503].map((status) => refusal("https://a/b", { status, body: "x" }).reason),
  ...[403, 503].map((status) => refusal("https://a/b", { status, body: "" }).reason),
  "PublicUrlUnreachable",
  "PublicUrlAltersRequests",
  "StoreUnavailable",
  "RoutesNotLoaded",
  "PublicUrlInvalid",
  "RouteTableFull",
];

const why = ({ reason, message }: { reason: Reason; message: string }) => ({ reason, message });
const unknownStream = { urlProblem: undefined, url: undefined, number: "unseen" } as const;

describe("the table of reasons lists every condition that can have the reason of", () => {
  test.each(
    [...ofTheSecret, ...ofTwilio].filter((failure) => failure.class !== "transient"),
  )("invalid credentials, on the stream and on its number: $reason", (failure) => {
    const verdicts = streamVerdicts({ ...unknownStream, credentials: { ok: false, ...why(failure) } });
    expect(lacking("WorkStream", verdicts)).toEqual([]);
    expect(
      lacking("SmsNumber", numberVerdicts({ accepted: "good", found: "good", url: why(failure) })),
    ).toEqual([]);
  });

  test.each(
    ofTwilio.filter((failure) => failure.class === "transient"),
  )("a failed attempt on a stream: $reason", (failure) => {
    expect(lacking("WorkStream", failedStream(stream, failure, []))).toEqual([]);
  });

  test.each([
    ...ofTwilio,
    new Failure("NumberNotInAccount", "the number has left the account since the account was read"),
    new Failure("RoutesNotLoaded", "a deletion waits for the routes of the stream"),
  ])("a failed attempt on a number: $reason", (failure) => {
    expect(lacking("SmsNumber", failedNumber(number, failure))).toEqual([]);
  });

  test.each(ofTheUrl)("a URL that does not work, on the stream and on its number: %s", (reason) => {
    const url = { status: "False", reason, message: "any" } as const;
    const credentials = { ok: true, promoted: false } as const;
    expect(lacking("WorkStream", streamVerdicts({ ...unknownStream, credentials, url }))).toEqual([]);
    expect(lacking("SmsNumber", numberVerdicts({ accepted: "good", found: "good", url: why(url) }))).toEqual(
      [],
    );
  });

  const allowing = { ...stream, spec: { allowAutomatedMessages: true } } as WorkStream;
  const refusals = [
    { number, stream: undefined, hoursExist: true, inService: true },
    { number, stream, hoursExist: true, inService: false },
    { number, stream, hoursExist: true, inService: true },
    { number, stream: allowing, hoursExist: false, inService: true },
  ].map((input) => refusalOf(input)!);
  test.each(refusals)("a number that is not accepted: $reason", (refused) => {
    const url = refused.stopsWiring ? refused : "good";
    expect(lacking("SmsNumber", numberVerdicts({ accepted: refused, found: "good", url }))).toEqual([]);
  });

  test.each<Reason>([
    "NumberAlreadyClaimed",
    "WorkStreamAlreadyHasNumber",
  ])("a number or stream that another object holds: %s", (reason) => {
    const taken = { reason, message: "any" };
    expect(lacking("SmsNumber", numberVerdicts({ accepted: taken, found: "good", url: taken }))).toEqual([]);
  });

  test.each<Reason>([
    "NumberNotInAccount",
    "NumberNotSmsCapable",
  ])("a number that cannot be used: %s", (reason) => {
    const found = { reason, message: "any" };
    expect(lacking("SmsNumber", numberVerdicts({ accepted: "good", found, url: found }))).toEqual([]);
  });

  test("a number whose operator was uninstalled", () => {
    const verdicts = numberVerdicts({ accepted: "good", found: "good", url: "good" });
    const conditions = verdicts.map(({ type, status, reason, message }) => ({
      type,
      status,
      reason,
      message,
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration: 1,
    }));
    const object = { ...number, status: { conditions } };
    const said = uninstalledStatus(object, { message: "gone", wired: false, now: NOW });
    expect(said.conditions).toHaveLength(4);
    expect(lacking("SmsNumber", said.conditions ?? [])).toEqual([]);
  });

  test("a stream or number that has no problem", () => {
    const good = { name: "n", status: "True", reason: "Ready", message: "any" } as const;
    for (const promoted of [false, true])
      expect(
        lacking(
          "WorkStream",
          streamVerdicts({
            credentials: { ok: true, promoted },
            urlProblem: undefined,
            url: { status: "True" },
            number: good,
            ruleProblems: [],
          }),
        ),
      ).toEqual([]);
    expect(lacking("SmsNumber", numberVerdicts({ accepted: "good", found: "good", url: "good" }))).toEqual(
      [],
    );
  });
});
