import { readFile } from "node:fs/promises";

/** A URL, or how to learn the one of now: a password may change while a process lives. */
export type DatabaseUrl = string | (() => Promise<string>);

export const currentUrl = async (url: DatabaseUrl): Promise<string> =>
  typeof url === "string" ? url : await url();

/** The URL in a file, such as one that a Secret is mounted as; read at each call. */
export function urlInFile(path: string): () => Promise<string> {
  return async () => {
    let text: string;
    try {
      text = (await readFile(path, "utf8")).trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new DatabaseUrlError(`the file with the database's URL, ${path}, cannot be read (${code})`);
    }
    // Not a word of what is in it: it holds a password.
    if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text))
      throw new DatabaseUrlError(`the file ${path} holds no postgres:// URL`);
    return text;
  };
}

/** Its message is ours and holds no secret. */
export class DatabaseUrlError extends Error {
  override readonly name = "DatabaseUrlError";
}
