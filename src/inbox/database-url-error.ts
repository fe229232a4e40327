/** Its message is ours and holds no part of the URL but names that are no secret. */
export class DatabaseUrlError extends Error {
  override readonly name = "DatabaseUrlError";
}
