import { join, resolve } from "node:path";

/** Set by scripts/bundle.ts; a checkout has no such name. */
declare const SMSCHANNEL_BUNDLED: boolean | undefined;

/** Folders of files that are read at run time, and where they stand in a checkout, seen from here. */
export const assets = { crds: "../crds", migrations: "inbox/migrations" } as const;

/** Where such a folder is: in a checkout where people look for it, in an image beside the program. */
export function assetFolder(name: keyof typeof assets): string {
  const bundled = typeof SMSCHANNEL_BUNDLED !== "undefined";
  return bundled ? join(import.meta.dirname, name) : resolve(import.meta.dirname, assets[name]);
}
