import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Runs the files in the order of their names: the first file installs the kinds into a cluster that has none. */
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    return files.toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
  }
}

// `npm run test:e2e` tests the chart on a real cluster. README.md in this folder says what it needs. The files run one after the other,
// and nothing runs after the first failure, because later tests need the state that the failed test should have reached.
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
