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

/**
 * All commands of the program; each long-running command is one process of an installation. A command's code is loaded only when the
 * command runs, so that a receiver does not load a controller's code.
 */
const commands: Record<string, { summary: string; load: () => Promise<Command<Settings>> }> = {
  controller: {
    summary: "reconcile the custom resources and point numbers at the receiver",
    load: async () => (await import("./controller.ts")).controllerCommand as unknown as Command<Settings>,
  },
  receiver: {
    summary: "verify, store and answer Twilio's requests; the only process that faces the internet",
    load: async () => (await import("./receiver.ts")).receiverCommand as unknown as Command<Settings>,
  },
  migrate: {
    summary: "bring the database's schema up to date; DATABASE_URL is the URL of the schema's owner",
    load: async () => (await import("./migrate.ts")).migrateCommand as unknown as Command<Settings>,
  },
  release: {
    summary:
      "restore every number's webhook and let go of all objects, before the operator is uninstalled or after",
    load: async () => (await import("./release.ts")).releaseCommand as unknown as Command<Settings>,
  },
  "test-text": {
    summary: "send a signed text through the receiver and look for it in the database",
    load: async () => (await import("./test-text.ts")).testTextCommand as unknown as Command<Settings>,
  },
  validate: {
    summary: "check manifests without a cluster, as the API server and the operator would",
    load: async () => (await import("./validate.ts")).validateCommand as unknown as Command<Settings>,
  },
  demo: {
    summary: "run everything on this machine, to watch it work",
    load: async () => (await import("./demo.ts")).demoCommand as unknown as Command<Settings>,
  },
  "twilio-simulator": {
    summary: "run a simulated Twilio, for demos and tests",
    load: async () => (await import("./twilio-simulator.ts")).twilioSimulator as unknown as Command<Settings>,
  },
};

/** The text that lists all commands. It uses the summaries in the table of commands, so that no command has to be loaded. */
const usage = () =>
  `smschannel: a contact centre's SMS channel as Kubernetes resources\n\nUsage: smschannel COMMAND [flags]\n\nCommands:\n${Object.entries(
    commands,
  )
    .map(([name, { summary }]) => `  ${name.padEnd(18)} ${summary}`)
    .join("\n")}\n\nsmschannel COMMAND --help shows a command's settings.\n`;

/** Runs the command that the arguments name. Throws UsageError when there is no such command. */
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
    await command.run(config, positionals);
  } catch (error) {
    if (!(error instanceof HelpWanted)) throw error;
    process.stdout.write(helpText(command));
  }
}

/** Adds the settings that every command takes. */
function withCommonSettings(command: Command<Settings>): Command<Settings> {
  return { ...command, settings: { ...command.settings, refuseRoot: settings.refuseRoot } };
}

/** Throws when this process is root. The process needs no right that only root has. */
function refuseRoot(): void {
  if (process.geteuid?.() !== 0) return;
  throw new UsageError(
    "REFUSE_ROOT is set and this process is root: start it as any other user (in a pod: securityContext.runAsNonRoot, runAsUser). It needs no right that root has.",
  );
}

/**
 * Ends the process when a signal arrives and its command has no handler for signals. (Some commands add a handler later, others never do.)
 * The kernel ignores signals to the first process of a container unless the process has a handler, so without this handler these signals
 * would be lost.
 */
function endAtOnce(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
}
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, endAtOnce);

/** When the program that reads the output (head, less) has ended, the command still runs to its end and has its own exit code. */
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

main(process.argv.slice(2)).catch((error: unknown) => {
  const known = error instanceof UsageError;
  process.stderr.write(`smschannel: ${known ? error.message : ((error as Error)?.stack ?? String(error))}\n`);
  process.exitCode = known ? 2 : 1;
});
