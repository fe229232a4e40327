import { expect, test } from "vitest";
import { parseConfig, text } from "./config.ts";

const command = (secret: boolean) => ({
  name: "x",
  settings: {
    url: { env: "DATABASE_URL", help: "The owner's.", required: true as const, secret, parse: text },
  },
});

test("an error suggests a flag only if the setting can be given as a flag", () => {
  expect(() => parseConfig(command(false), [], {})).toThrow("DATABASE_URL (or --database-url) is required");
  expect(() => parseConfig(command(true), [], {})).toThrow("DATABASE_URL is required");
  expect(() => parseConfig(command(true), ["--database-url", "x"], {})).toThrow(
    "use the variable DATABASE_URL",
  );
});
