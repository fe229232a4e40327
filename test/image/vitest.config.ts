import { defineConfig } from "vitest/config";

// `npm run test:image` is separate from `npm test`, because it needs a Docker engine and builds an image.
export default defineConfig({
  test: {
    name: "image",
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    globalSetup: ["setup.ts"],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: "threads",
  },
});
