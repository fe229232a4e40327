import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** Set by scripts/bundle.ts; a checkout has no such name. */
declare const SMSCHANNEL_BUNDLED: boolean | undefined;
const bundled = typeof SMSCHANNEL_BUNDLED !== "undefined";

/** Folders of files that are read at run time, and where they stand in a checkout, seen from here. */
export const assets = { crds: "../crds", migrations: "inbox/migrations" } as const;

/** Programs of threads, and where they stand in a checkout, seen from here; a bundle has each as a file of this name. */
export const threads = { rules: "rules/worker.ts" } as const;

/** Where such a program is. */
export function threadFile(name: keyof typeof threads): URL {
  return pathToFileURL(
    bundled ? join(import.meta.dirname, `${name}-thread.mjs`) : resolve(import.meta.dirname, threads[name]),
  );
}

/** Where such a folder is: in a checkout where people look for it, in an image beside the program. */
export function assetFolder(name: keyof typeof assets): string {
  return bundled ? join(import.meta.dirname, name) : resolve(import.meta.dirname, assets[name]);
}
