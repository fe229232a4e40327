import { randomBytes } from "node:crypto";

/** What a SID may name; Twilio's prefixes. */
export type SidPrefix = "AC" | "SK" | "PN" | "SC" | "MG" | "AP" | "SM" | "MM" | "ME" | "IG" | "RQ";

/** A SID that no other run repeats: a message's SID is the key under which texts are stored, restarts must not reuse it. */
export const randomSid = (prefix: SidPrefix): string => prefix + randomBytes(16).toString("hex");

/** 32 hexadecimal digits, as real tokens and secrets are. */
export const newSecret = (): string => randomBytes(16).toString("hex");

/** The n-th SID of a kind, the same in each run: for what is configured. */
export const numberedSid = (prefix: SidPrefix, n: number): string =>
  prefix + n.toString(16).padStart(32, "0");

export const isSid = (text: string, ...prefixes: SidPrefix[]): boolean =>
  /^[A-Z]{2}[0-9a-fA-F]{32}$/.test(text) && prefixes.some((prefix) => text.startsWith(prefix));
