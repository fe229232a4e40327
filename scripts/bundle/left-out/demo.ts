import type { playDemo as real } from "../../../demo/play.ts";
import { UsageError } from "../../../src/main/config.ts";

/** Replaces demo/play.ts in the image, because the demo starts a control plane from the repository's tests. */
export const playDemo: typeof real = async () => {
  throw new UsageError(
    "the demo starts its own Kubernetes API server and PostgreSQL, and the image contains neither: run npm run demo in a checkout of the repository.",
  );
};
