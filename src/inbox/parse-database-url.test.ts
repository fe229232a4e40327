import { describe, expect, test } from "vitest";
import { parseDatabaseUrl } from "./parse-database-url.ts";

/** Parses a URL and returns its hosts with ports, user, password and database. */
function read(text: string, env: Record<string, string> = {}) {
  const { hosts, user, password, database } = parseDatabaseUrl(text, env);
  return [hosts.map(({ host, port }) => `${host} ${port}`).join(", "), user, password, database];
}

describe("a database URL is read as libpq reads it", () => {
  const rows: Record<string, [text: string, want: unknown[]]> = {
    "the usual form": ["postgres://u:p@db.example.com:5433/sms", ["db.example.com 5433", "u", "p", "sms"]],
    "the scheme postgresql": ["postgresql://u:p@db/sms", ["db 5432", "u", "p", "sms"]],
    "blanks before the URL and a line break after it": [
      "  postgres://u:p@db/sms\n",
      ["db 5432", "u", "p", "sms"],
    ],
    "a socket's folder": [
      "postgres://u:p@/sms?host=/var/run/postgresql&port=5544",
      ["/var/run/postgresql 5544", "u", "p", "sms"],
    ],
    "a socket's folder, encoded as the host": ["postgres://u:p@%2Ftmp/sms", ["/tmp 5432", "u", "p", "sms"]],
    "several hosts, one port": ["postgres://u:p@a,b:5433/sms?port=5433", ["a 5433, b 5433", "u", "p", "sms"]],
    "several hosts, each with its port": [
      "postgres://u:p@a:1,b:2,c/sms",
      ["a 1, b 2, c 5432", "u", "p", "sms"],
    ],
    "several hosts as a parameter": ["postgres://u:p@/sms?host=a,b&port=1,2", ["a 1, b 2", "u", "p", "sms"]],
    "an IPv6 address": ["postgres://u:p@[fd00::1]:5433/sms", ["fd00::1 5433", "u", "p", "sms"]],
    "a # in the password": ["postgres://u:pa#ss@db/sms", ["db 5432", "u", "pa#ss", "sms"]],
    "a ? in the password": ["postgres://u:pa?ss@db/sms", ["db 5432", "u", "pa?ss", "sms"]],
    "a colon in the password": ["postgres://u:pa:ss@db/sms", ["db 5432", "u", "pa:ss", "sms"]],
    "a blank in the password": ["postgres://u:pa ss@db/sms", ["db 5432", "u", "pa ss", "sms"]],
    "a plus in the password, which is not a blank": [
      "postgres://u:pa+ss@db/sms",
      ["db 5432", "u", "pa+ss", "sms"],
    ],
    "percent-encoded characters": [
      "postgres://u%40x:p%40ss%2Fw%25@db/s%6Ds",
      ["db 5432", "u@x", "p@ss/w%", "sms"],
    ],
    "login and database as parameters": [
      "postgres://db?user=u&password=p%40&dbname=sms",
      ["db 5432", "u", "p@", "sms"],
    ],
    "a parameter wins over the same part of the URL": [
      "postgres://u:p@db:1/sms?user=v&port=2&host=e",
      ["e 2", "v", "p", "sms"],
    ],
    "no login and no database": ["postgres://db", ["db 5432", undefined, undefined, undefined]],
  };
  for (const [name, [text, want]] of Object.entries(rows)) test(name, () => expect(read(text)).toEqual(want));

  test("the environment variables of libpq fill in what the URL leaves out", () => {
    const env = { PGHOST: "/run", PGPORT: "7", PGUSER: "me", PGPASSWORD: "secret", PGDATABASE: "mine" };
    expect(read("postgres://", env)).toEqual(["/run 7", "me", "secret", "mine"]);
    expect(read("postgres://u:p@db:1/sms", env)).toEqual(["db 1", "u", "p", "sms"]);
  });

  const modes: Record<string, [query: string, want: string]> = {
    "no sslmode, which means TLS if the server has it": ["", "prefer"],
    "ssl=true, as in JDBC": ["?ssl=true", "require"],
    "sslrootcert=system, which means verify-full": ["?sslrootcert=system", "verify-full"],
    ...Object.fromEntries(
      ["disable", "allow", "prefer", "require", "verify-full"].map((mode) => [
        `sslmode=${mode}`,
        [`?sslmode=${mode}`, mode],
      ]),
    ),
    "sslmode=verify-ca": ["?sslmode=verify-ca&sslrootcert=/ca.crt", "verify-ca"],
  };
  for (const [name, [query, want]] of Object.entries(modes))
    test(`the mode of TLS is right when the URL has ${name}`, () =>
      expect(parseDatabaseUrl(`postgres://db${query}`, {}).sslmode).toBe(want));
});

describe("the error for a wrong database URL says what to write and quotes nothing of the password", () => {
  const SECRET = "geheim";
  const rows: Record<string, [text: string, says: RegExp]> = {
    "no URL": [`host=db password=${SECRET}`, /starts with postgres:\/\//],
    "a URL with another scheme": [`mysql://u:${SECRET}@db/sms`, /starts with postgres:\/\//],
    "an @ in the password": [`postgres://u:x@${SECRET}@db/sms`, /write %40 for @/],
    "an @ and a slash in the password": [`postgres://u:x@${SECRET}/w@db/sms`, /write %40 for @/],
    "a slash in the password": [`postgres://u:x/${SECRET}@db/sms`, /%2F for \//],
    "a slash and a question mark in the password": [`postgres://u:x/${SECRET}?x=1@db/sms`, /%2F for \//],
    "a number and a slash in the password": [`postgres://u:5432/${SECRET}@db/sms`, /%2F for \//],
    "a slash in the password and no host": [`postgres://u:${SECRET}/w`, /port is not a number/],
    "an @ and a # in the password, no host": [`postgres://u:x@${SECRET}#`, /host names cannot have/],
    "a lone percent sign in the password": [`postgres://u:${SECRET}%@db/sms`, /write %25/],
    "a percent-encoded NUL": [`postgres://u:${SECRET}%00@db/sms`, /NUL/],
    "a line break inside": [`postgres://u:${SECRET}\n@db/sms`, /line break/],
    "no host": [`postgres://u:${SECRET}@/sms`, /has no host/],
    "a port that is not a number": [`postgres://u:${SECRET}@db:x/sms`, /port is not a number/],
    "a port that is too high": [`postgres://u:${SECRET}@db:70000/sms`, /port is not a number/],
    "more ports than hosts": [
      `postgres://u:${SECRET}@a,b/sms?port=1,2,3`,
      /one port, or as many ports as hosts/,
    ],
    "an IPv6 address without brackets": [`postgres://u:${SECRET}@fd00::1/sms`, /port is not a number/],
    "an unknown sslmode": ["postgres://db?sslmode=bogus", /sslmode must be one of disable, allow, prefer/],
    "an empty sslmode": ["postgres://db?sslmode=", /sslmode must be one of/],
    "an sslmode that only the driver knows": ["postgres://db?sslmode=no-verify", /write sslmode=require/],
    "verify-ca without sslrootcert": ["postgres://db?sslmode=verify-ca", /add sslrootcert=/],
    "an sslmode below verify-full with the system's authorities": [
      "postgres://db?sslmode=require&sslrootcert=system",
      /needs sslmode=verify-full/,
    ],
    "a client's certificate without its key": [
      "postgres://db?sslcert=/x",
      /sslcert and sslkey belong together/,
    ],
    "a channel binding that we cannot guarantee": ["postgres://db?channel_binding=require", /verify-full/],
    "a server that only reads": ["postgres://db?target_session_attrs=standby", /this program writes/],
    "a parameter of libpq that we do not support": [
      "postgres://db?hostaddr=1.2.3.4",
      /hostaddr is not supported/,
    ],
    "a parameter that PostgreSQL does not know": [`postgres://db?${SECRET}=1`, /PostgreSQL does not know/],
    "a parameter without a value": [`postgres://db?${SECRET}`, /name=value/],
    "an equals sign in a value": [`postgres://db?options=-c a=${SECRET}`, /write %3D/],
  };
  for (const [name, [text, says]] of Object.entries(rows))
    test(name, () => {
      let message = "taken";
      try {
        parseDatabaseUrl(text, {});
      } catch (error) {
        message = String(error);
      }
      expect(message).toMatch(says);
      expect(message).not.toContain(SECRET);
    });
});
