import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Runs the files in the order of their names: the first one installs the kinds into a cluster that has none. */
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    return files.toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
  }
}

// `npm run test:e2e`: the chart on a real cluster. README.md here says what it needs. One file after the other, and nothing
// more after the first failure: what a later step would say about the same cluster helps nobody.
export default defineConfig({
  test: {
    name: "e2e",
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    globalSetup: ["setup.ts"],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    sequence: { sequencer: ByName },
    bail: 1,
    disableConsoleIntercept: true,
    pool: "threads",
  },
});
