import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/** Set by scripts/bundle.ts; a checkout has no such name. */
declare const SMSCHANNEL_VERSION: string | undefined;

/** The program's version, as in package.json. */
export const version: string = typeof SMSCHANNEL_VERSION === "undefined" ? ofCheckout() : SMSCHANNEL_VERSION;

function ofCheckout(): string {
  const text = readFileSync(resolve(import.meta.dirname, "../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
