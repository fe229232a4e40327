import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BundledPackage } from "./packages.ts";
import { root } from "./program.ts";

/** The licences of all packages in the bundle, as one text. Most licences require that they are passed on with the code. */
export function licensesText(packages: readonly BundledPackage[]): string {
  const parts = packages.map((one) => `${one.name} ${one.version}\n\n${licenseOf(one)}`);
  const rule = `\n\n${"-".repeat(80)}\n\n`;
  return `The program holds code of these packages from npm, each under its own licence.${rule}${parts.join(rule)}\n`;
}

function licenseOf({ folder }: BundledPackage): string {
  const files = readdirSync(join(root, folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  if (files.length > 0)
    return files
      .sort()
      .map((file) => readFileSync(join(root, folder, file), "utf8").trim())
      .join("\n\n");
  const text = readFileSync(join(root, folder, "package.json"), "utf8");
  const { license } = JSON.parse(text) as { license?: string };
  if (license === undefined)
    throw new Error(`${folder} names no licence, so it must not be part of an image`);
  return `Licence: ${license} (the package comes without its text)`;
}
