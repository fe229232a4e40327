import { randomBytes } from "node:crypto";

/** Twilio's SID prefixes of the simulated resources. */
export type SidPrefix = "AC" | "SK" | "PN" | "SC" | "MG" | "AP" | "SM" | "MM" | "ME" | "IG" | "RQ";

/**
 * A SID that no other run of the simulator repeats. The receiver stores a text under its message SID and treats a second text with the same
 * SID as a retry. A restarted simulator must therefore not begin with the same SIDs again.
 */
export const randomSid = (prefix: SidPrefix): string => prefix + randomBytes(16).toString("hex");

/** A token or secret in Twilio's format: 32 hexadecimal digits. */
export const newSecret = (): string => randomBytes(16).toString("hex");

/** The n-th SID with a prefix. It is the same in every run, so that seeds, tests and docs can name it. */
export const numberedSid = (prefix: SidPrefix, n: number): string =>
  prefix + n.toString(16).padStart(32, "0");

export const isSid = (text: string, ...prefixes: SidPrefix[]): boolean =>
  /^[A-Z]{2}[0-9a-fA-F]{32}$/.test(text) && prefixes.some((prefix) => text.startsWith(prefix));
