import { expect, test } from "vitest";
import { KubeError } from "./errors.ts";
import { undeclaredFields, without } from "./undeclared.ts";

const error = (message: string) => new KubeError(message, { status: 500, reason: "InternalError" });
const one =
  "patch /x/status: 500 InternalError: failed to create typed patch object (n/a; x/v1, Kind=W): .status.next: field not declared in schema";
const many = `patch /x/status: 500 InternalError: failed to create typed patch object (n/a; x/v1, Kind=W): errors:
  .status.conditions[type="Ready"].since: field not declared in schema
  .status.repairs.by: field not declared in schema
  .status.next: field not declared in schema`;

const status = {
  url: "https://x",
  next: { at: 1 },
  repairs: { count: 2, by: "me" },
  conditions: [{ type: "Ready", since: 1 }, { type: "Accepted" }],
};

test("the fields that the CRD does not declare are read from the server's error, whether it names one or several", () => {
  expect(undeclaredFields(error(one))).toEqual([["next"]]);
  expect(undeclaredFields(error(many))).toEqual([["conditions", "since"], ["repairs", "by"], ["next"]]);
});

test("an error that names no undeclared field gives undefined", () => {
  expect(
    undeclaredFields(error("patch /x/status: 500 InternalError: etcdserver: leader changed")),
  ).toBeUndefined();
  expect(undeclaredFields(new Error(one))).toBeUndefined();
});

test("only the given fields are left out of a status", () => {
  expect(without(status, undeclaredFields(error(many))!)).toEqual({
    url: "https://x",
    repairs: { count: 2 },
    conditions: [{ type: "Ready" }, { type: "Accepted" }],
  });
  expect(without(status, [])).toEqual(status);
  expect(
    without({ url: 1 }, [
      ["url", "deep"],
      ["not", "there"],
    ]),
  ).toEqual({ url: 1 });
});
