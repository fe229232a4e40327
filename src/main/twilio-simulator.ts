import { readFile } from "node:fs/promises";
import { InputError, readFaults } from "../simulator/control/input.ts";
import { startSimulator } from "../simulator/simulator.ts";
import type { SimulatorSeed } from "../simulator/state/seed.ts";
import { type Command, type Config, flag, integer, port, settings, text, UsageError } from "./config.ts";
import { runProcess } from "./process.ts";

const own = {
  port: { env: "PORT", help: "Port of the simulated API; 0 takes a free one.", parse: port, default: "4010" },
  host: { env: "LISTEN_HOST", help: "Address to listen on.", parse: text, default: "127.0.0.1" },
  latency: {
    env: "LATENCY",
    help: "Each API call takes at least this many milliseconds.",
    parse: integer(0, 600_000),
    default: "0",
  },
  allowLocalUrls: {
    env: "ALLOW_LOCAL_URLS",
    help: "Let webhooks point at this machine and at private addresses, which Twilio refuses.",
    parse: flag,
    default: "false",
    boolean: true,
  },
  seed: {
    env: "SEED",
    help: "JSON file with the accounts, numbers and services to start with. Default: the accounts, numbers and services of the demo.",
    parse: text,
  },
  faults: {
    env: "FAULTS",
    help: 'Faults that are armed at the start, as JSON: [{"kind":"status","status":429,"durationMs":60000}].',
    parse: text,
  },
  // The default is a free port, because the simulator often runs on the same machine as a controller or receiver, which use port 9090.
  metricsPort: { ...settings.metricsPort, default: "0" },
  logLevel: settings.logLevel,
} as const;

/** `smschannel twilio-simulator`: runs until SIGTERM. All of its state is in memory and ends with the process. */
export const twilioSimulator: Command<typeof own> = {
  name: "twilio-simulator",
  summary: "Simulates Twilio for demos and tests; its control API is under /_simulator/.",
  settings: own,
  async run(config) {
    const { latency: latencyMs, host, allowLocalUrls, logLevel, metricsPort } = config;
    const seed = config.seed === undefined ? ("default" as const) : await readSeed(config.seed);
    // Faults are parsed before the server starts, so that a mistake in them ends the command immediately.
    const faults = faultsOf(config);
    await runProcess({ name: "twilio-simulator", logLevel, metricsPort }, async ({ log, stopping }) => {
      const simulator = await startSimulator({
        port: config.port,
        host,
        allowLocalUrls,
        latencyMs,
        seed,
        log,
      });
      simulator.control.faults(faults);
      await new Promise<void>((resolve) => {
        if (stopping.aborted) resolve();
        else stopping.addEventListener("abort", () => resolve(), { once: true });
      });
      await simulator.close();
    });
  },
};

/** Reads the seed file as JSON. Checking its content is left to startSimulator. */
async function readSeed(file: string): Promise<SimulatorSeed> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as SimulatorSeed;
  } catch (error) {
    throw new UsageError(`SEED: ${file} cannot be read as JSON: ${(error as Error).message}`);
  }
}

function faultsOf({ faults }: Config<typeof own>) {
  try {
    return faults === undefined ? [] : readFaults(faults);
  } catch (error) {
    if (error instanceof InputError) throw new UsageError(`FAULTS: ${error.message}`);
    throw error;
  }
}
