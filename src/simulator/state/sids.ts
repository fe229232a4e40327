import { randomBytes } from "node:crypto";

/** Twilio's prefixes for the resources that the simulator has. */
export type SidPrefix = "AC" | "SK" | "PN" | "SC" | "MG" | "AP" | "SM" | "MM" | "ME" | "IG" | "RQ";

/**
 * A SID that no other run of the simulator repeats. The receiver stores a text under its message's SID and takes a second one
 * for a retry, so a restarted simulator must not begin again with the same SIDs.
 */
export const randomSid = (prefix: SidPrefix): string => prefix + randomBytes(16).toString("hex");

/** A token or secret in the format of the real ones: 32 hexadecimal digits. */
export const newSecret = (): string => randomBytes(16).toString("hex");

/** The n-th SID of a kind, the same in every run, so that seeds, tests and docs can name it. */
export const numberedSid = (prefix: SidPrefix, n: number): string =>
  prefix + n.toString(16).padStart(32, "0");

export const isSid = (text: string, ...prefixes: SidPrefix[]): boolean =>
  /^[A-Z]{2}[0-9a-fA-F]{32}$/.test(text) && prefixes.some((prefix) => text.startsWith(prefix));
