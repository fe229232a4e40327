import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/** Defined by scripts/bundle.ts; undefined in a checkout. */
declare const SMSCHANNEL_VERSION: string | undefined;

/** The program's version, as in package.json. */
export const version: string = typeof SMSCHANNEL_VERSION === "undefined" ? ofCheckout() : SMSCHANNEL_VERSION;

function ofCheckout(): string {
  const text = readFileSync(resolve(import.meta.dirname, "../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
