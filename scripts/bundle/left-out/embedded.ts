import type { startEmbeddedPostgres as real } from "../../../src/inbox/embedded.ts";

/** In the place of src/inbox/embedded.ts, whose programs are sixty megabytes and nothing to run a cluster on. */
export const startEmbeddedPostgres: typeof real = async () => {
  throw new Error("DATABASE_URL is not set, and the image holds no PostgreSQL: give the URL of yours.");
};
