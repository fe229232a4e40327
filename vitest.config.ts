import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Four projects: unit tests beside their files, which need nothing; test/chart, which renders the chart with Helm; test/argocd,
// which gets Argo CD and, since that looks at everything in its cluster, an API server of its own; and the rest of test/, which
// gets a real API server and a real PostgreSQL, started once for the whole run by test/setup.ts. Integration tests mostly wait
// for those, so two files at a time keep even two cores busy, and more would only make each slower.
const maxWorkers = Math.max(2, availableParallelism() - 1);

export default defineConfig({
  test: {
    maxWorkers,
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "demo/**/*.test.ts", "scripts/**/*.test.ts"],
          pool: "threads",
          // Beside a build that takes every processor, a second of arithmetic can take many.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "chart",
          include: ["test/chart/**/*.test.ts"],
          globalSetup: ["test/chart/setup.ts"],
          testTimeout: 30_000,
          pool: "threads",
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/**/*.test.ts"],
          // Image and e2e need more than a machine has by itself, and have commands of their own.
          exclude: ["test/chart/**", "test/argocd/**", "test/image/**", "test/e2e/**"],
          globalSetup: ["test/setup.ts", "test/chart/setup.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          pool: "threads",
        },
      },
      {
        test: {
          name: "argocd",
          include: ["test/argocd/**/*.test.ts"],
          globalSetup: ["test/argocd/setup.ts", "test/chart/setup.ts", "test/setup.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          pool: "threads",
        },
      },
    ],
  },
});
