import { describe, expect, test } from "vitest";
import { publicUrlProblem } from "./public-url.ts";

describe("the check of PUBLIC_URL", () => {
  for (const good of ["https://sms.example.com", "https://sms.example.com:8443/edge", "https://203.0.113.7"])
    test(`accepts ${good}`, () => expect(publicUrlProblem(good, false)).toBeUndefined());
  for (const [bad, words] of [
    ["sms.example.com", "absolute"],
    ["http://sms.example.com", "https://"],
    ["ftp://sms.example.com", "https://"],
    ["https://user:pass@sms.example.com", "password"],
    ["https://sms.example.com/?a=1", "query"],
    ["https://10.1.2.3", "private"],
    ["https://[fd00::1]", "private"],
    ["https://receiver", "inside the cluster"],
    ["https://receiver.sms.svc", "inside the cluster"],
    ["https://my_host.example.com", "underscore"],
  ] as const)
    test(`refuses ${bad}`, () => expect(publicUrlProblem(bad, false)).toContain(words));
  test("accepts http to this machine when insecure URLs are allowed", () =>
    expect(publicUrlProblem("http://127.0.0.1:8080", true)).toBeUndefined());
});
