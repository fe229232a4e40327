import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";

const program = new URL("../../src/main/smschannel.ts", import.meta.url).pathname;
const run = (...flags: string[]) =>
  spawn(process.execPath, [program, "twilio-simulator", "--port", "0", ...flags]);

/** The simulator's base URL, which the command logs when it listens. */
async function urlOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line) as { url?: string };
    if (url !== undefined) return url;
  }
  throw new Error("the command ended before it logged its URL");
}

test("smschannel twilio-simulator serves the resources of a seed file, arms a fault at the start, and ends on SIGTERM", async () => {
  const directory = await mkdtemp(join(tmpdir(), "simulator-"));
  const seed = join(directory, "seed.json");
  const sid = `AC${"a".repeat(32)}`;
  const accounts = [{ sid, authToken: "secret-token" }];
  await writeFile(
    seed,
    JSON.stringify({ accounts, numbers: [{ accountSid: sid, phoneNumber: "+4930123456" }] }),
  );
  const child = run(
    "--seed",
    seed,
    "--faults",
    '{"kind":"status","status":429,"count":1}',
    "--metrics-port",
    "0",
  );
  try {
    const url = await urlOf(child);
    const authorization = `Basic ${Buffer.from(`${sid}:secret-token`).toString("base64")}`;
    const list = `${url}/2010-04-01/Accounts/${sid}/IncomingPhoneNumbers.json`;
    expect((await fetch(list, { headers: { authorization } })).status).toBe(429);
    const answer = (await (await fetch(list, { headers: { authorization } })).json()) as {
      incoming_phone_numbers: { phone_number: string }[];
    };
    expect(answer.incoming_phone_numbers.map((number) => number.phone_number)).toEqual(["+4930123456"]);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true });
  }
});

const mistakes: Record<string, [flags: string[], said: string]> = {
  "a fault of an unknown kind": [["--faults", '{"kind":"none"}'], "FAULTS: fault 1: kind must be one of"],
  "a seed file that does not exist": [
    ["--seed", "/nowhere/seed.json"],
    "SEED: /nowhere/seed.json cannot be read as JSON",
  ],
  "a latency that is not a number": [["--latency", "fast"], "--latency: expected a whole number"],
};
for (const [name, [flags, said]] of Object.entries(mistakes))
  test(`smschannel twilio-simulator refuses ${name} with a sentence and without a stack trace`, async () => {
    const child = run(...flags);
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    expect(await once(child, "close")).toEqual([2, null]);
    expect(stderr).toContain(said);
    expect(stderr).not.toContain("    at ");
  });
