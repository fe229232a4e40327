import type { playDemo as real } from "../../../demo/play.ts";
import { UsageError } from "../../../src/main/config.ts";

/** Replaces demo/play.ts, which starts a control plane from the project's tests. */
export const playDemo: typeof real = async () => {
  throw new UsageError(
    "the demo starts a Kubernetes API server and a PostgreSQL of its own, which the image does not hold: run npm run demo in a checkout of the project.",
  );
};
