import type { startEmbeddedPostgres as real } from "../../../src/inbox/embedded.ts";

/** Replaces src/inbox/embedded.ts in the image: the embedded PostgreSQL has sixty megabytes, and is not meant for a cluster. */
export const startEmbeddedPostgres: typeof real = async () => {
  throw new Error(
    "DATABASE_URL is not set, and the image holds no PostgreSQL: set DATABASE_URL to the URL of your database.",
  );
};
