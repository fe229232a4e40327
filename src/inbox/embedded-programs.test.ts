import { describe, expect, test } from "vitest";
import { accountFor } from "./embedded-programs.ts";

const passwd = (...names: string[]) =>
  names.map((name, i) => `${name}:x:${i + 1}:${i + 11}::/:/bin/sh`).join("\n");

describe("the account that the server runs as", () => {
  const rows: Record<string, [number | undefined, string, string | undefined]> = {
    "not root: no other account": [1000, passwd("root", "postgres", "nobody"), undefined],
    "a system without user ids: no other account": [undefined, passwd("root"), undefined],
    "root, with a postgres account: postgres": [0, passwd("root", "nobody", "postgres"), "postgres"],
    "root, without one: nobody": [0, passwd("root", "nobody"), "nobody"],
    "an account whose name only begins with postgres does not count": [
      0,
      passwd("postgres-exporter", "nobody"),
      "nobody",
    ],
  };
  for (const [name, [uid, accounts, want]] of Object.entries(rows))
    test(name, () => expect(accountFor(uid, accounts)?.name).toBe(want));

  test("root on a machine without either account gets an error that says so", () => {
    expect(() => accountFor(0, passwd("root"))).toThrow(/neither a postgres nor a nobody/);
  });
});
