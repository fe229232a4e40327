import { parseArgs } from "node:util";
import { type DatabaseUrl, urlInFile } from "../inbox/database-url.ts";
import { parseDatabaseUrl } from "../inbox/parse-database-url.ts";

/**
 * A setting of a process: an environment variable and a flag with the same name (`PUBLIC_URL`, `--public-url`). The flag wins. Each command
 * declares its settings. Any other flag is an error, so that a misspelt flag is not silently ignored.
 */
export interface Setting<T> {
  /** The name of the environment variable. The flag's name is derived from it. */
  readonly env: string;
  /** One or two sentences for `--help`: what the setting does, and its unit. */
  readonly help: string;
  /**
   * The default value, as text. `--help` shows it, and it is parsed like a given value. A setting that is not given and has no default is
   * undefined.
   */
  readonly default?: string;
  readonly required?: boolean;
  /** The flag takes no value (`--allow-insecure-public-url`). The environment variable takes `true` or `false`. */
  readonly boolean?: boolean;
  /** Only the environment variable is read. The flag is refused, because `ps` shows flags to every user of the machine. */
  readonly secret?: boolean;
  /** Only the flag is read. This is for settings of a single call, which nobody expects in the environment. */
  readonly flagOnly?: boolean;
  /** Turns the text into a value. Throws an Error whose message says which text it expects. */
  readonly parse: (text: string) => T;
}

export type Settings = Record<string, Setting<unknown>>;
/** The values of the settings. A value is undefined only if its setting is not required and has no default. */
export type Config<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T>
    ? S[K] extends { default: string } | { required: true }
      ? T
      : T | undefined
    : never;
};

/** A mistake in flags, environment variables or arguments. Its message is printed without a stack trace, and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Thrown for `--help`: nothing is wrong, but the command must not run. */
export class HelpWanted extends Error {
  override readonly name = "HelpWanted";
}

/** A subcommand of `smschannel`: its settings, and what it does with them. */
export interface Command<S extends Settings> {
  readonly name: string;
  readonly summary: string;
  /** The settings, in the order in which `--help` lists them. */
  readonly settings: S;
  /** The positional arguments in the usage line, such as `FILE…`. A command without this field takes no positional arguments. */
  readonly positionals?: string;
  run(config: Config<S>, positionals: string[]): Promise<void>;
}

/** Reads flags and environment variables. Throws HelpWanted for `--help`, and otherwise a UsageError that lists all mistakes. */
export function parseConfig<S extends Settings>(
  command: Pick<Command<S>, "name" | "settings" | "positionals">,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): { config: Config<S>; positionals: string[] } {
  const entries = Object.entries(command.settings);
  // Secret settings are parsed as flags, too, so that a user who gives a secret as a flag gets a better error than "unknown option".
  const flags = Object.fromEntries(
    entries.map(([, setting]) => [
      flagName(setting.env),
      { type: setting.boolean === true ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...argv],
      options: { ...flags, help: { type: "boolean", short: "h" } },
      allowPositionals: command.positionals !== undefined,
      // `--no-…` switches off a boolean setting that the environment switches on.
      allowNegative: true,
    }) as typeof parsed;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nSee smschannel ${command.name} --help.`);
  }
  if (parsed.values.help === true) throw new HelpWanted();

  // All mistakes are collected, so that a user can fix all of them at once.
  const mistakes: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [key, setting] of entries) {
    const flag = flagName(setting.env);
    const given = parsed.values[flag];
    if (setting.secret === true && given !== undefined) {
      mistakes.push(
        `--${flag} would show a secret in the list of processes: use the variable ${setting.env}`,
      );
      continue;
    }
    const inherited = setting.flagOnly === true ? undefined : emptyIsUnset(env[setting.env]);
    // A boolean flag becomes the text true or false, so that flag and variable go through the same parser.
    const text = given === undefined ? (inherited ?? setting.default) : String(given);
    if (text === undefined) {
      if (setting.required === true)
        mistakes.push(
          `${setting.env}${setting.secret === true ? "" : ` (or --${flag})`} is required: ${setting.help}`,
        );
      continue;
    }
    try {
      config[key] = setting.parse(text);
    } catch (error) {
      mistakes.push(`${given === undefined ? setting.env : `--${flag}`}: ${(error as Error).message}`);
    }
  }
  if (mistakes.length > 0) throw new UsageError(mistakes.join("\n"));
  return { config: config as Config<S>, positionals: parsed.positionals };
}

/** The text that `--help` prints. */
export function helpText<S extends Settings>(command: Command<S>): string {
  const lines = Object.values(command.settings).map((setting) => {
    const flag =
      setting.secret === true ? "" : `--${flagName(setting.env)}${setting.boolean === true ? "" : " VALUE"}`;
    const fallback =
      setting.default === undefined
        ? setting.required === true
          ? " (required)"
          : ""
        : ` (default: ${setting.default})`;
    return `  ${[setting.flagOnly === true ? "" : setting.env, flag].filter(Boolean).join(", ")}${fallback}\n      ${setting.help}`;
  });
  const usage = `Usage: smschannel ${command.name}${command.positionals === undefined ? "" : ` ${command.positionals}`} [flags]`;
  return `${command.summary}\n\n${usage}\n\nSettings, each an environment variable or a flag; the flag wins:\n${lines.join("\n")}\n`;
}

/** The name of the flag without its dashes: `PUBLIC_URL` becomes `public-url`. */
export function flagName(env: string): string {
  return env.toLowerCase().replaceAll("_", "-");
}

/** An empty variable counts as not set, because templates and Compose files can hardly leave a variable out. */
const emptyIsUnset = (text: string | undefined) => (text === "" ? undefined : text);

// Parsers ----------------------------------------------------------------------------------------------------------------

export const text = (value: string): string => value;

/** Splits a list at its commas. Empty items are dropped, so that an empty text is an empty list. */
export const list = (value: string): string[] =>
  value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

/** Parses a boolean. Only `true`, `false`, `1` and `0` are allowed, so that a typing mistake is not taken for false. */
export const flag = (value: string): boolean => {
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw new Error(`expected true or false, not "${value}"`);
};

/** Makes a parser of whole numbers from `min` to `max`, both of which are allowed. */
export const integer =
  (min: number, max: number) =>
  (value: string): number => {
    const parsed = Number(value);
    if (!Number.isInteger(parsed) || parsed < min || parsed > max)
      throw new Error(`expected a whole number from ${min} to ${max}, not "${value}"`);
    return parsed;
  };

/** Parses a port. The operating system replaces 0 by a free port. */
export const port = integer(0, 65535);

/** Parses `90s`, `10m` or `1h30m` into milliseconds. The notation is the same as in the durations of the custom resources. */
export const duration = (value: string): number => {
  const match = /^(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?$/.exec(value);
  // The pattern of a duration also matches an empty text, because every part of the pattern is optional.
  if (match === null || value === "")
    throw new Error(`expected a duration such as 90s, 10m or 1h30m, not "${value}"`);
  const [hours, minutes, seconds] = [match[1], match[2], match[3]].map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
  ];
  return ((hours * 60 + minutes) * 60 + seconds) * 1000;
};

export const oneOf =
  <const V extends readonly string[]>(...values: V) =>
  (value: string): V[number] => {
    if (!values.includes(value)) throw new Error(`expected one of ${values.join(", ")}, not "${value}"`);
    return value;
  };

/** Parses an absolute URL. The errors do not quote the URL, because it may contain a password. */
export const url =
  (...protocols: string[]) =>
  (value: string): string => {
    let parsed: URL;
    try {
      parsed = new URL(value);
    } catch {
      throw new Error("expected an absolute URL");
    }
    if (!protocols.includes(parsed.protocol))
      throw new Error(`expected a URL that starts with ${protocols.map((p) => `${p}//`).join(" or ")}`);
    return value;
  };

/** Checks a database URL, see src/inbox/parse-database-url.ts. Values from Secrets often end with a line break, so the URL is trimmed. */
export const databaseUrl = (value: string): string => {
  parseDatabaseUrl(value);
  return value.trim();
};

/** Parses `10.0.0.1:443`, `ingress.example.com:8443`, `[fd00::1]:443`, or a host without a port. */
export const address = (value: string): string => {
  if (!/^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$/.test(value))
    throw new Error(`expected host or host:port, not "${value}"`);
  return value;
};

// Settings that several commands share -------------------------------------------------------------------------------------

const setting = <T, const O extends Partial<Setting<T>>>(
  env: string,
  help: string,
  parse: (text: string) => T,
  more?: O,
) => ({ env, help, parse, ...more }) as Setting<T> & O;

/** The settings that more than one command has. A command may give such a setting a different help text or default. */
export const settings = {
  kubeconfig: setting("KUBECONFIG", "Kubeconfig file. Without one the pod's ServiceAccount is used.", text),
  operatorNamespace: setting(
    "OPERATOR_NAMESPACE",
    "Namespace of the operator's own Secrets and Lease.",
    text,
    { default: "sms-channel-operator" },
  ),
  instance: setting(
    "INSTANCE",
    "Name of this release, as {namespace}/{release}. The status of each object shows it as managedBy. Default: {OPERATOR_NAMESPACE}/sms-channel-operator.",
    text,
  ),
  routeShards: setting(
    "ROUTE_SHARDS",
    "Number of Secrets over which the compiled routes are spread. It can be raised, but not lowered.",
    integer(1, 64),
    { default: "4" },
  ),
  maxStreamsPerNamespace: setting(
    "MAX_STREAMS_PER_NAMESPACE",
    "How many WorkStreams of one namespace get a route.",
    integer(1, 100_000),
    { default: "1000" },
  ),
  deleteTimeout: setting(
    "DELETE_TIMEOUT",
    "How long a deletion waits for Twilio before the finalizer is removed all the same.",
    duration,
    { default: "10m" },
  ),
  watchNamespaces: setting(
    "WATCH_NAMESPACES",
    "Comma-separated namespaces to watch; empty means all.",
    list,
    { default: "" },
  ),
  publicUrl: setting(
    "PUBLIC_URL",
    "Where Twilio reaches the receiver, such as https://sms.example.com.",
    url("https:", "http:"),
    { required: true },
  ),
  allowInsecurePublicUrl: setting(
    "ALLOW_INSECURE_PUBLIC_URL",
    "Allow an http PUBLIC_URL: for demos and tests only.",
    flag,
    { default: "false", boolean: true },
  ),
  fallbackPublicUrl: setting(
    "FALLBACK_PUBLIC_URL",
    "A second URL, which Twilio calls when PUBLIC_URL fails. Default: PUBLIC_URL.",
    url("https:", "http:"),
  ),
  databaseUrl: setting("DATABASE_URL", "postgres://user:password@host/database", databaseUrl, {
    secret: true,
  }),
  databaseUrlFile: setting(
    "DATABASE_URL_FILE",
    "File with the database URL, such as a mounted Secret, to use instead of DATABASE_URL. The file is read for each connection, so the password may change.",
    text,
  ),
  twilioBaseUrl: setting(
    "TWILIO_BASE_URL",
    "URL to use instead of Twilio's hosts, for a simulator or a recording proxy.",
    url("https:", "http:"),
  ),
  urlCheck: setting(
    "URL_CHECK",
    "enforce: do not point a number at a URL that has not answered; report: only report it; off: do not check.",
    oneOf("enforce", "report", "off"),
    { default: "enforce" },
  ),
  urlCheckAddress: setting(
    "URL_CHECK_ADDRESS",
    "host:port to which the self-check connects, for clusters that cannot reach PUBLIC_URL from inside. Host name and certificate stay those of PUBLIC_URL.",
    address,
  ),
  takeOverFrom: setting(
    "TAKE_OVER_FROM",
    "Instance whose objects this instance takes over, as status.managedBy shows it.",
    text,
  ),
  resyncInterval: setting(
    "RESYNC_INTERVAL",
    "How often each Twilio account is compared with what should be set there, with some jitter.",
    duration,
    { default: "5m" },
  ),
  shutdownDelay: setting("SHUTDOWN_DELAY", "How long to accept requests after SIGTERM.", duration, {
    default: "10s",
  }),
  port: setting("PORT", "Port for Twilio's requests; 0 takes a free one.", port, { default: "8080" }),
  metricsPort: setting("METRICS_PORT", "Port for /healthz, /readyz and /metrics; 0 takes a free one.", port, {
    default: "9090",
  }),
  refuseRoot: setting(
    "REFUSE_ROOT",
    "Refuse to run as root, for clusters that have no policy against it.",
    flag,
    { default: "false", boolean: true },
  ),
  logLevel: setting(
    "LOG_LEVEL",
    "How much is logged.",
    oneOf("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    { default: "info" },
  ),
} as const;

/** The database URL from DATABASE_URL or DATABASE_URL_FILE. Undefined when neither is set. Throws when both are set. */
export function databaseUrlOf({
  databaseUrl,
  databaseUrlFile,
}: {
  databaseUrl: string | undefined;
  databaseUrlFile: string | undefined;
}): DatabaseUrl | undefined {
  if (databaseUrl !== undefined && databaseUrlFile !== undefined)
    throw new UsageError("DATABASE_URL and DATABASE_URL_FILE are both set: choose one");
  return databaseUrlFile === undefined ? databaseUrl : urlInFile(databaseUrlFile);
}

/** The value of INSTANCE, or its default. The Helm chart always sets INSTANCE. */
export function instanceOf({
  instance,
  operatorNamespace,
}: {
  instance: string | undefined;
  operatorNamespace: string;
}): string {
  return instance ?? `${operatorNamespace}/sms-channel-operator`;
}
