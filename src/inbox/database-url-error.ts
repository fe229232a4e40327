/** A mistake in a database's URL. The message may be logged: it quotes no part of the URL that could belong to a password. */
export class DatabaseUrlError extends Error {
  override readonly name = "DatabaseUrlError";
}
