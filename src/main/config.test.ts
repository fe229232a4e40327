import { expect, test } from "vitest";
import { parseConfig, text } from "./config.ts";

const command = (secret: boolean) => ({
  name: "x",
  settings: {
    url: { env: "DATABASE_URL", help: "The owner's.", required: true as const, secret, parse: text },
  },
});

test("the error for a missing setting suggests a flag only if the setting has a flag", () => {
  expect(() => parseConfig(command(false), [], {})).toThrow("DATABASE_URL (or --database-url) is required");
  expect(() => parseConfig(command(true), [], {})).toThrow("DATABASE_URL is required");
  expect(() => parseConfig(command(true), ["--database-url", "x"], {})).toThrow(
    "use the variable DATABASE_URL",
  );
});
