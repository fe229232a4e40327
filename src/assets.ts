import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** True in a bundle, where scripts/bundle.ts defines it; undefined in a checkout. */
declare const SMSCHANNEL_BUNDLED: boolean | undefined;
const bundled = typeof SMSCHANNEL_BUNDLED !== "undefined";

/** The folders that are read at run time, and where they are in a checkout, relative to this file. */
export const assets = { crds: "../crds", migrations: "inbox/migrations" } as const;

/**
 * Programs that run in threads, and where they are in a checkout, relative to this file. In a bundle each program is a file
 * named after its key, such as `rules-thread.mjs`.
 */
export const threads = { rules: "rules/worker.ts" } as const;

/** The URL of the program that the thread of this name runs. */
export function threadFile(name: keyof typeof threads): URL {
  return pathToFileURL(
    bundled ? join(import.meta.dirname, `${name}-thread.mjs`) : resolve(import.meta.dirname, threads[name]),
  );
}

/** The path of a folder. In a bundle the folder is next to the program; in a checkout it is where `assets` says. */
export function assetFolder(name: keyof typeof assets): string {
  return bundled ? join(import.meta.dirname, name) : resolve(import.meta.dirname, assets[name]);
}
