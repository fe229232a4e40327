import { describe, expect, test } from "vitest";
import { accountFor } from "./embedded-programs.ts";

const passwd = (...names: string[]) =>
  names.map((name, i) => `${name}:x:${i + 1}:${i + 11}::/:/bin/sh`).join("\n");

describe("the account that the embedded PostgreSQL server runs as", () => {
  const rows: Record<string, [number | undefined, string, string | undefined]> = {
    "is not changed when we are not root": [1000, passwd("root", "postgres", "nobody"), undefined],
    "is not changed on a system without user ids": [undefined, passwd("root"), undefined],
    "is postgres when we are root and the account exists": [
      0,
      passwd("root", "nobody", "postgres"),
      "postgres",
    ],
    "is nobody when we are root and there is no account postgres": [0, passwd("root", "nobody"), "nobody"],
    "is not one whose name only begins with postgres": [0, passwd("postgres-exporter", "nobody"), "nobody"],
  };
  for (const [name, [uid, accounts, want]] of Object.entries(rows))
    test(name, () => expect(accountFor(uid, accounts)?.name).toBe(want));

  test("cannot be found, and the error says so, when we are root and there is neither postgres nor nobody", () => {
    expect(() => accountFor(0, passwd("root"))).toThrow(/neither a postgres nor a nobody/);
  });
});
