import { playDemo } from "../../demo/play.ts";
import { type Command, flag } from "./config.ts";
import { listenForStop } from "./signals.ts";

const own = {
  once: {
    env: "ONCE",
    help: "Tell the story once, to its end: delete the SmsNumber and see the webhook restored.",
    default: "false",
    boolean: true,
    parse: flag,
  },
  json: {
    env: "JSON",
    help: 'One {"step","ok","detail"} per line, and {"demo":"ok","steps":N} last.',
    default: "false",
    boolean: true,
    parse: flag,
  },
} as const;

/** `npm run demo`: the whole on this machine, on free local ports; exits 0 only when each step was seen to be so. */
export const demoCommand: Command<typeof own> = {
  name: "demo",
  summary: "everything on this machine: a real API server and PostgreSQL, and a simulated Twilio",
  settings: own,
  async run({ once, json }) {
    const stop = listenForStop({
      names: ["SIGINT", "SIGTERM", "SIGHUP"],
      onStop: () => {
        if (!json) process.stdout.write("\nEnding everything …\n");
      },
    });
    const ok = await playDemo({ once, json }, stop.signal);
    process.exit(ok ? 0 : stop.signal.aborted && !once ? 0 : 1);
  },
};
