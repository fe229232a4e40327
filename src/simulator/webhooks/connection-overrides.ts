/** How long and how often Twilio tries a webhook. The fragment of the webhook's URL may override these defaults. */
export interface ConnectionSettings {
  connectTimeoutMs: number;
  readTimeoutMs: number;
  /** The time limit for all attempts together. */
  totalTimeoutMs: number;
  /** How many attempts may follow the first attempt. */
  retries: number;
  retryOn: ReadonlySet<RetryPolicy>;
}

/** The kinds of failure that can be retried: status 4xx or 5xx, no connection (ct), no answer in time (rt). */
export type RetryPolicy = "4xx" | "5xx" | "ct" | "rt";

/** Twilio's defaults: one retry, and only if there was no connection. A 5xx answer or a silent server is not retried. */
const defaultSettings: ConnectionSettings = {
  connectTimeoutMs: 5000,
  readTimeoutMs: 15_000,
  totalTimeoutMs: 15_000,
  retries: 1,
  retryOn: new Set(["ct"]),
};

/** Twilio's error codes for an invalid fragment: 11240 unknown name, 11241 invalid value, 11243 unknown edge. */
type OverrideErrorCode = 11240 | 11241 | 11243;

/** The error for an invalid fragment of a webhook's URL. Twilio does not call a webhook with such a URL at all. */
export class OverrideError extends Error {
  readonly code: OverrideErrorCode;
  constructor(code: OverrideErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

const policies: readonly RetryPolicy[] = ["4xx", "5xx", "ct", "rt"];
/** Twilio's edge locations, from which it can send a webhook request. */
const edges = ["ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla"];

/**
 * Reads the connection overrides from a URL's fragment. A fragment without any `name=value` contains no overrides. Throws OverrideError.
 * https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
 */
export function connectionSettings(url: string): ConnectionSettings {
  const fragment = url.includes("#") ? url.slice(url.indexOf("#") + 1) : "";
  const settings = { ...defaultSettings };
  if (!fragment.includes("=")) return settings;
  for (const [name, value] of fragment.split("&").map((part) => split(part))) apply(settings, name, value);
  return settings;
}

/** Applies one override to the settings. Throws OverrideError for an unknown name or an invalid value. */
function apply(settings: ConnectionSettings, name: string, value: string): void {
  // The ranges below are the ones that Twilio's documentation allows.
  switch (name) {
    case "ct":
      settings.connectTimeoutMs = whole(name, value, 100, 10_000);
      return;
    case "rt":
      settings.readTimeoutMs = whole(name, value, 100, 15_000);
      return;
    case "tt":
      settings.totalTimeoutMs = whole(name, value, 100, 15_000);
      return;
    case "rc":
      settings.retries = whole(name, value, 0, 5);
      return;
    case "rp":
      settings.retryOn = retryOn(value);
      return;
    // Twilio's setting for TLS server name indication. The simulator checks its value, but ignores it.
    case "sni":
      if (!/^[yn]$/.test(value)) throw new OverrideError(11241, `sni must be y or n, not ${value}`);
      return;
    // The edge locations make no difference in the simulator, but their names are checked.
    case "e": {
      const unknown = value.split(",").find((edge) => !edges.includes(edge));
      if (unknown !== undefined) throw new OverrideError(11243, `there is no edge ${unknown}`);
      return;
    }
    default:
      throw new OverrideError(11240, `there is no connection override ${name}`);
  }
}

function retryOn(value: string): Set<RetryPolicy> {
  const names = value.split(",");
  if (names.includes("all")) return new Set(policies);
  const unknown = names.find((name) => !policies.includes(name as RetryPolicy));
  if (unknown !== undefined)
    throw new OverrideError(11241, `rp must be 4xx, 5xx, ct, rt or all, not ${unknown}`);
  return new Set(names as RetryPolicy[]);
}

function whole(name: string, value: string, min: number, max: number): number {
  if (!/^[0-9]{1,5}$/.test(value) || Number(value) < min || Number(value) > max)
    throw new OverrideError(11241, `${name} must be a whole number from ${min} to ${max}, not ${value}`);
  return Number(value);
}

function split(part: string): [string, string] {
  const at = part.indexOf("=");
  return at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
}
