import { readFile } from "node:fs/promises";
import { DatabaseUrlError } from "./database-url-error.ts";
import { parseDatabaseUrl } from "./parse-database-url.ts";

export { DatabaseUrlError } from "./database-url-error.ts";

/** A database URL, or a function that reads the current URL, since the password may change while the process runs. */
export type DatabaseUrl = string | (() => Promise<string>);

/** The database URL as it is now. */
export const currentUrl = async (url: DatabaseUrl): Promise<string> =>
  typeof url === "string" ? url : await url();

/** Returns a function that reads the database URL from a file, such as a mounted Secret, each time it is called. */
export function urlInFile(path: string): () => Promise<string> {
  return async () => {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new DatabaseUrlError(`the file ${path} with the database's URL cannot be read (${code})`);
    }
    // Never quote the content of the file: it may hold a password.
    if (!/^\s*postgres(ql)?:\/\//.test(text))
      throw new DatabaseUrlError(`the file ${path} does not contain a postgres:// URL`);
    try {
      parseDatabaseUrl(text);
    } catch (error) {
      throw new DatabaseUrlError(`the URL in the file ${path}: ${(error as Error).message}`);
    }
    return text.trim();
  };
}
