import { DatabaseUrlError } from "./database-url-error.ts";

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];
const SESSIONS = ["any", "read-write", "primary"] as const;

/** The parameters after the question mark of a database URL. */
export interface UrlParameters {
  readonly sslmode: SslMode;
  /** File with certificate authorities, which replace the authorities that the process trusts. */
  readonly sslrootcert: string | undefined;
  /** File with the certificate to log in with. Its private key is in the file `sslkey`. */
  readonly sslcert: string | undefined;
  readonly sslkey: string | undefined;
  readonly sslpassword: string | undefined;
  readonly sslnegotiation: "postgres" | "direct";
  readonly tlsVersions: { readonly min: TlsVersion | undefined; readonly max: TlsVersion | undefined };
  /** The kind of server that is needed: a primary, a server that takes writes, or any server. */
  readonly session: (typeof SESSIONS)[number];
  readonly inRandomOrder: boolean;
  readonly options: string | undefined;
  readonly applicationName: string | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly keepAlive: boolean | undefined;
  readonly channelBinding: boolean;
}

const TLS_VERSIONS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const;
type TlsVersion = (typeof TLS_VERSIONS)[number];

type UrlOverrides = Partial<Record<"host" | "port" | "dbname" | "user" | "password", string>>;
type GivenParameters = ReadonlyMap<string, string>;

/**
 * Reads the parameters after the question mark, and the environment variables of libpq for TLS settings that are missing. Throws a
 * DatabaseUrlError for a parameter or value that we do not support.
 */
export function readParameters(
  query: string,
  env: Readonly<Record<string, string | undefined>>,
): UrlParameters & UrlOverrides {
  const given = split(query);
  for (const name of given.keys()) checkName(name);
  refuseOthers(given);
  const place: UrlOverrides = {};
  for (const name of ["host", "port", "dbname", "user", "password"] as const) {
    const value = given.get(name);
    if (value !== undefined && value !== "") place[name] = value;
  }
  const sslmode = sslModeOf(given, env);
  return { ...place, ...tlsOf(given, sslmode, env), ...sessionOf(given), sslmode };
}

/** Splits the query string into names and values. When a name comes twice, its last value counts, as in libpq. */
function split(query: string): Map<string, string> {
  const given = new Map<string, string>();
  if (query === "") return given;
  for (const part of query.split("&")) {
    const [name, value, ...more] = part.split("=");
    if (value === undefined || more.length > 0)
      throw new DatabaseUrlError(
        "after the ? of the URL, write each parameter as name=value and join them by &; in a value, write %3D for = and %26 for &",
      );
    given.set(decode(name!), decode(value));
  }
  return given;
}

/**
 * The parameters that PostgreSQL knows but we do not support. An error may quote their names. Any other unknown name may be part of a
 * password and is never quoted.
 */
const UNSUPPORTED = new Set(
  `hostaddr passfile require_auth fallback_application_name keepalives_idle keepalives_interval keepalives_count
   tcp_user_timeout replication requiressl sslcrl sslcrldir requirepeer krbsrvname gsslib gssdelegation service
   servicefile sslcertmode scram_client_key scram_server_key sslkeylogfile min_protocol_version max_protocol_version
   oauth_issuer oauth_client_id oauth_client_secret oauth_scope`.split(/\s+/),
);
const SUPPORTED = new Set(
  `host port dbname user password sslmode ssl uselibpqcompat sslrootcert sslcert sslkey sslpassword sslnegotiation
   ssl_min_protocol_version ssl_max_protocol_version sslsni sslcompression target_session_attrs load_balance_hosts
   options application_name connect_timeout keepalives client_encoding channel_binding gssencmode`.split(
    /\s+/,
  ),
);

function checkName(name: string): void {
  if (SUPPORTED.has(name)) return;
  if (UNSUPPORTED.has(name))
    throw new DatabaseUrlError(`the parameter ${name} is not supported: leave it out`);
  throw new DatabaseUrlError(
    "the URL has a parameter after the ? that PostgreSQL does not know; if the ? is part of a password, write %3F",
  );
}

/** Parameters that we support only with the values listed here. */
const ONLY: Record<string, readonly string[]> = {
  sslsni: ["1"],
  sslcompression: ["0"],
  client_encoding: ["utf8", "UTF8", "utf-8", "UTF-8", "auto"],
  gssencmode: ["disable", "prefer"],
  keepalives: ["0", "1"],
  load_balance_hosts: ["disable", "random"],
  ssl: ["true", "1", "false", "0"],
  uselibpqcompat: ["true", "false"],
  sslnegotiation: ["postgres", "direct"],
  target_session_attrs: SESSIONS,
  ssl_min_protocol_version: TLS_VERSIONS,
  ssl_max_protocol_version: TLS_VERSIONS,
  channel_binding: ["disable", "prefer"],
};
const REMEDY: Record<string, string> = {
  channel_binding: "; require is not supported, but sslmode=verify-full protects as well",
  target_session_attrs: "; this program writes, so it cannot use a server that only reads",
};

function refuseOthers(given: GivenParameters): void {
  for (const [name, values] of Object.entries(ONLY))
    if (given.has(name) && !values.includes(given.get(name)!))
      throw new DatabaseUrlError(`${name} must be one of ${values.join(", ")}${REMEDY[name] ?? ""}`);
}

/**
 * The sslmode that the URL or the environment asks for. When neither asks for one, TLS is preferred, as in libpq. `ssl=true`, which JDBC
 * URLs use, means `sslmode=require`.
 */
function sslModeOf(given: GivenParameters, env: Readonly<Record<string, string | undefined>>): SslMode {
  const ssl = given.get("ssl");
  const byFlag = ssl === undefined ? undefined : ssl === "true" || ssl === "1" ? "require" : "disable";
  const rootIsSystem = (given.get("sslrootcert") ?? env.PGSSLROOTCERT) === "system";
  const text = given.get("sslmode") ?? byFlag ?? (env.PGSSLMODE || (rootIsSystem ? "verify-full" : "prefer"));
  const mode = SSL_MODES.find((known) => known === text);
  if (text === "no-verify")
    throw new DatabaseUrlError("PostgreSQL has no sslmode=no-verify: write sslmode=require");
  if (mode === undefined) throw new DatabaseUrlError(`sslmode must be one of ${SSL_MODES.join(", ")}`);
  if (rootIsSystem && mode !== "verify-full")
    throw new DatabaseUrlError("sslrootcert=system needs sslmode=verify-full");
  return mode;
}

function tlsOf(given: GivenParameters, sslmode: SslMode, env: Readonly<Record<string, string | undefined>>) {
  const root = given.get("sslrootcert") || env.PGSSLROOTCERT;
  if (sslmode === "verify-ca" && !root)
    throw new DatabaseUrlError(
      "sslmode=verify-ca needs the authority's certificate: add sslrootcert=/path/to/ca.crt, or write sslmode=verify-full",
    );
  const sslcert = given.get("sslcert") || env.PGSSLCERT;
  const sslkey = given.get("sslkey") || env.PGSSLKEY;
  if ((sslcert === undefined) !== (sslkey === undefined))
    throw new DatabaseUrlError("sslcert and sslkey belong together: give both");
  const sslnegotiation =
    given.get("sslnegotiation") === "direct" ? ("direct" as const) : ("postgres" as const);
  if (sslnegotiation === "direct" && !/^(require|verify-)/.test(sslmode))
    throw new DatabaseUrlError("sslnegotiation=direct needs sslmode=require or stricter");
  return {
    sslrootcert: root === "system" ? undefined : root || undefined,
    sslcert,
    sslkey,
    sslpassword: given.get("sslpassword"),
    sslnegotiation,
    tlsVersions: {
      min: given.get("ssl_min_protocol_version") as TlsVersion | undefined,
      max: given.get("ssl_max_protocol_version") as TlsVersion | undefined,
    },
  };
}

function sessionOf(given: GivenParameters) {
  const timeout = given.get("connect_timeout");
  if (timeout !== undefined && !/^[0-9]{1,6}$/.test(timeout))
    throw new DatabaseUrlError("connect_timeout must be a number of seconds");
  const keepalives = given.get("keepalives");
  return {
    session: SESSIONS.find((known) => known === given.get("target_session_attrs")) ?? ("any" as const),
    inRandomOrder: given.get("load_balance_hosts") === "random",
    options: given.get("options"),
    applicationName: given.get("application_name"),
    connectTimeoutMs: timeout === undefined || Number(timeout) === 0 ? undefined : Number(timeout) * 1000,
    keepAlive: keepalives === undefined ? undefined : keepalives === "1",
    channelBinding: given.get("channel_binding") === "prefer",
  };
}

/** Percent-decodes a part of a URL as libpq does: a lone % is an error, and + is not a blank. */
export function decode(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text))
    throw new DatabaseUrlError("the URL has a % without two hexadecimal digits after it: write %25 for %");
  try {
    const decoded = decodeURIComponent(text);
    if (!decoded.includes("\0")) return decoded;
  } catch {
    // decodeURIComponent throws when the bytes are not UTF-8. We then throw the error below, which says so.
  }
  throw new DatabaseUrlError("the URL has a percent-encoded character that is not UTF-8, or is NUL");
}
