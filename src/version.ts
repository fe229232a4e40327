import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/** The program's version, which scripts/bundle.ts writes into the bundle. Undefined when the program runs from a checkout. */
declare const SMSCHANNEL_VERSION: string | undefined;

/** The program's version, as package.json has it. */
export const version: string = typeof SMSCHANNEL_VERSION === "undefined" ? ofCheckout() : SMSCHANNEL_VERSION;

function ofCheckout(): string {
  const text = readFileSync(resolve(import.meta.dirname, "../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
