import { playDemo } from "../../demo/play.ts";
import { type Command, flag } from "./config.ts";
import { listenForStop } from "./signals.ts";

const own = {
  once: {
    env: "ONCE",
    help: "Run the demo to its end: delete the SmsNumber, show that its webhook is restored, and exit.",
    default: "false",
    boolean: true,
    parse: flag,
  },
  json: {
    env: "JSON",
    help: 'Print JSON: one {"step","ok","detail"} per line, and {"demo":"ok","steps":N} as the last line.',
    default: "false",
    boolean: true,
    parse: flag,
  },
} as const;

/**
 * `npm run demo`: runs the whole system on this machine, on free local ports. Exits with 0 only when each step showed what it should, or
 * when a user ends a demo that stays up.
 */
export const demoCommand: Command<typeof own> = {
  name: "demo",
  summary: "run everything on this machine: a real API server and PostgreSQL, and a simulated Twilio",
  settings: own,
  async run({ once, json }) {
    const stop = listenForStop({
      names: ["SIGINT", "SIGTERM", "SIGHUP"],
      onStop: () => {
        if (!json) process.stdout.write("\nStopping all processes …\n");
      },
    });
    const ok = await playDemo({ once, json }, stop.signal);
    // Ctrl-C is the usual end of a demo that stays up, so it is a success. With --once, Ctrl-C means that steps are missing.
    process.exit(ok ? 0 : stop.signal.aborted && !once ? 0 : 1);
  },
};
