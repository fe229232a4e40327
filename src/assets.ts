import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** Defined by scripts/bundle.ts; undefined in a checkout. */
declare const SMSCHANNEL_BUNDLED: boolean | undefined;
const bundled = typeof SMSCHANNEL_BUNDLED !== "undefined";

/** Folders that are read at run time, and where they are in a checkout, relative to this file. */
export const assets = { crds: "../crds", migrations: "inbox/migrations" } as const;

/**
 * Programs that run in threads, and where they are in a checkout, relative to this file. In a bundle each is a file with this
 * name.
 */
export const threads = { rules: "rules/worker.ts" } as const;

/** Where the program of a thread is. */
export function threadFile(name: keyof typeof threads): URL {
  return pathToFileURL(
    bundled ? join(import.meta.dirname, `${name}-thread.mjs`) : resolve(import.meta.dirname, threads[name]),
  );
}

/** Where a folder is: in a bundle next to the program, in a checkout where people look for it. */
export function assetFolder(name: keyof typeof assets): string {
  return bundled ? join(import.meta.dirname, name) : resolve(import.meta.dirname, assets[name]);
}
