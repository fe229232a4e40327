import { constants } from "node:os";
import {
  type Command,
  HelpWanted,
  helpText,
  parseConfig,
  type Settings,
  settings,
  UsageError,
} from "./config.ts";

/** One program, one subcommand per process. Each is loaded only when named, so that a receiver never pays for a controller. */
const commands: Record<string, { summary: string; load: () => Promise<Command<Settings>> }> = {
  controller: {
    summary: "reconciles the kinds and owns the numbers' webhooks at Twilio",
    load: async () => (await import("./controller.ts")).controllerCommand as unknown as Command<Settings>,
  },
  receiver: {
    summary: "the internet-facing process: verifies, stores and answers Twilio's requests",
    load: async () => (await import("./receiver.ts")).receiverCommand as unknown as Command<Settings>,
  },
  migrate: {
    summary: "bring the database's schema up to date; DATABASE_URL is its owner's",
    load: async () => (await import("./migrate.ts")).migrateCommand as unknown as Command<Settings>,
  },
  release: {
    summary:
      "let every number go, its webhook as it was before: for uninstalling, or when the operator is gone",
    load: async () => (await import("./release.ts")).releaseCommand as unknown as Command<Settings>,
  },
  "test-text": {
    summary: "send a signed text through the receiver and look for it in the store",
    load: async () => (await import("./test-text.ts")).testTextCommand as unknown as Command<Settings>,
  },
  validate: {
    summary: "check manifests without a cluster, as the API server and the operator would",
    load: async () => (await import("./validate.ts")).validateCommand as unknown as Command<Settings>,
  },
  demo: {
    summary: "everything on this machine, to watch it work",
    load: async () => (await import("./demo.ts")).demoCommand as unknown as Command<Settings>,
  },
  "twilio-simulator": {
    summary: "a Twilio of our own, for demos and tests",
    load: async () => (await import("./twilio-simulator.ts")).twilioSimulator as unknown as Command<Settings>,
  },
};

const usage = () =>
  `smschannel: a contact centre's SMS channel as Kubernetes resources\n\nUsage: smschannel COMMAND [flags]\n\nCommands:\n${Object.entries(
    commands,
  )
    .map(([name, { summary }]) => `  ${name.padEnd(18)} ${summary}`)
    .join("\n")}\n\nsmschannel COMMAND --help tells a command's settings.\n`;

async function main(argv: string[]): Promise<void> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(usage());
    return;
  }
  const entry = commands[name];
  if (entry === undefined) throw new UsageError(`there is no command "${name}"\n\n${usage()}`);
  const command = withCommonSettings(await entry.load());
  try {
    const { config, positionals } = parseConfig(command, rest, process.env);
    if (config.refuseRoot === true) refuseRoot();
    const running = command.run(config, positionals);
    // Only now, when the command listens itself: without any listener, one that has just come in would be lost.
    for (const signal of signals) process.off(signal, endAtOnce);
    await running;
  } catch (error) {
    if (!(error instanceof HelpWanted)) throw error;
    process.stdout.write(helpText(command));
  }
}

/** What every command takes. */
function withCommonSettings(command: Command<Settings>): Command<Settings> {
  return { ...command, settings: { ...command.settings, refuseRoot: settings.refuseRoot } };
}

function refuseRoot(): void {
  if (process.geteuid?.() !== 0) return;
  throw new UsageError(
    "REFUSE_ROOT is set and this process is root: start it as any other user (in a pod: securityContext.runAsNonRoot, runAsUser). It needs no right that root has.",
  );
}

/** The first process of a container has no default for signals: without this, one that comes while a command is still being loaded would be lost. */
const signals = ["SIGTERM", "SIGINT"] as const;
const endAtOnce = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);
for (const signal of signals) process.once(signal, endAtOnce);

/** Whoever read our output (head, less) is gone: what was begun goes on, unseen, and ends with its own exit code. */
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

main(process.argv.slice(2)).catch((error: unknown) => {
  const known = error instanceof UsageError;
  process.stderr.write(`smschannel: ${known ? error.message : ((error as Error)?.stack ?? String(error))}\n`);
  process.exitCode = known ? 2 : 1;
});
