import { defineConfig } from "vitest/config";

// Two projects: unit tests beside their files, which need nothing; and test/, which gets a real API server and a real
// PostgreSQL, started once for the whole run by test/setup.ts.
export default defineConfig({
  test: {
    reporters: process.env.CI === "true" ? ["default"] : ["default"],
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts", "scripts/**/*.test.ts"], pool: "threads" } },
      {
        test: {
          name: "integration",
          include: ["test/**/*.test.ts"],
          globalSetup: ["test/setup.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          pool: "threads",
        },
      },
    ],
  },
});
