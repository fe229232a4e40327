import { DatabaseUrlError } from "./database-url-error.ts";
import { decode, readParameters, type UrlParameters } from "./database-url-parameters.ts";

/** Where a database is and how to log in to it. A URL means what it means to libpq, the client library of PostgreSQL that psql uses. */
export interface DatabaseTarget extends UrlParameters {
  /** The hosts, in the order in which they are tried. A host that begins with a slash is the folder of a Unix socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** The name of the database. When it is undefined, the database is named like the user. */
  readonly database: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a URL as libpq does. Throws a DatabaseUrlError that says what to write instead when libpq would refuse the URL, or would misread it
 * because of an @ or / in the password. Throws the same error when the URL asks for something that we do not support. No message quotes
 * anything that could be a part of the password. libpq's variables (PGHOST, PGPASSWORD, …) fill in what the URL leaves out.
 */
export function parseDatabaseUrl(text: string, env: Environment = process.env): DatabaseTarget {
  const url = text.trim();
  const rest = /^postgres(?:ql)?:\/\/(.*)$/s.exec(url)?.[1];
  if (rest === undefined)
    throw new DatabaseUrlError("expected a URL that starts with postgres:// or postgresql://");
  if (/\p{Cc}/u.test(rest))
    throw new DatabaseUrlError("the URL contains a line break or another control character");
  const { login, place } = splitLogin(rest);
  // An @ after the login means that the password has an @ or / that is not percent-encoded. libpq would take a part of the password for a
  // host or a database name, and would look that name up or print it.
  if (place.includes("@")) throw new DatabaseUrlError(ENCODE);
  const { authority, path, query } = splitPlace(place);
  const { host, port, dbname, user, password, ...parameters } = readParameters(query, env);
  const [urlUser, urlPassword] = login;
  const { hosts, ports } = splitHosts(authority);
  return {
    hosts: pair(
      host?.split(",") ?? nonEmpty(hosts) ?? env.PGHOST?.split(",") ?? [""],
      port?.split(",") ?? nonEmpty(ports) ?? (env.PGPORT ?? "").split(","),
    ),
    user: user ?? (decode(urlUser) || env.PGUSER),
    password: password ?? (decode(urlPassword) || env.PGPASSWORD),
    database: dbname ?? (decode(path) || env.PGDATABASE),
    ...parameters,
  };
}

const ENCODE =
  "the URL has an @ after the beginning of the host; in a user or password write %40 for @, %2F for /, %3A for :, %23 for #, %3F for ? and %25 for %";

/**
 * Splits the login from the rest of the URL. The login ends at the first @ that has no slash before it, and the user name ends at the first
 * colon of the login.
 */
function splitLogin(rest: string): { login: [user: string, password: string]; place: string } {
  const end = /^[^@/]*@/.exec(rest)?.[0].length;
  if (end === undefined) return { login: ["", ""], place: rest };
  const login = rest.slice(0, end - 1);
  const colon = login.indexOf(":");
  const [user, password] = colon < 0 ? [login, ""] : [login.slice(0, colon), login.slice(colon + 1)];
  return { login: [user, password], place: rest.slice(end) };
}

function splitPlace(place: string): { authority: string; path: string; query: string } {
  const [, authority = "", path = "", query = ""] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(place) ?? [];
  return { authority, path, query };
}

/** Splits a list of hosts with optional ports, such as `db1:5432,db2,[fd00::1]:5433`. */
function splitHosts(authority: string): { hosts: string[]; ports: string[] } {
  const [hosts, ports]: [string[], string[]] = [[], []];
  for (const part of authority.split(",")) {
    const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*))(?::(.*))?$/s.exec(part);
    if (match === null)
      throw new DatabaseUrlError(
        "the host is not valid: write an IPv6 address in brackets, and percent-encode : / and ? in a password",
      );
    hosts.push(decode(match[1] ?? match[2] ?? ""));
    ports.push(decode(match[3] ?? ""));
  }
  return { hosts, ports };
}

const nonEmpty = (list: string[]) => (list.some((item) => item !== "") ? list : undefined);

/** Pairs each host with its port. A URL has one port for all hosts, or one port for each host. */
function pair(hosts: string[], ports: string[]): { host: string; port: number }[] {
  if (ports.length !== 1 && ports.length !== hosts.length)
    throw new DatabaseUrlError("the URL must have one port, or as many ports as hosts");
  return hosts.map((host, i) => ({
    host: checkHost(host),
    port: checkPort(ports[ports.length === 1 ? 0 : i]!),
  }));
}

/** Throws unless the host is valid. The errors do not quote the host, because it may be part of a password. */
function checkHost(host: string): string {
  if (host === "")
    throw new DatabaseUrlError(
      "the URL has no host: write a host, such as localhost for this machine, or ?host=/var/run/postgresql for the folder of a socket",
    );
  if (host.startsWith("/")) return host;
  if (!/^[a-zA-Z0-9._-]+$/.test(host) && !/^[0-9a-fA-F:]+(\.[0-9.]+)?(%[a-zA-Z0-9]+)?$/.test(host))
    throw new DatabaseUrlError(
      "the host has a character that host names cannot have; in a password, # / ? : and @ must be percent-encoded",
    );
  return host;
}

function checkPort(port: string): number {
  if (port === "") return 5432;
  const number = Number(port);
  if (!/^[0-9]+$/.test(port) || number < 1 || number > 65535)
    throw new DatabaseUrlError(
      "the port is not a number from 1 to 65535; in a password, # / ? : and @ must be percent-encoded",
    );
  return number;
}
