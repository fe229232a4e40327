/** A mistake in a database's URL. The message may be logged: it quotes no part of the URL that could be a password's. */
export class DatabaseUrlError extends Error {
  override readonly name = "DatabaseUrlError";
}
