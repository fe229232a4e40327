import { type Command, HelpWanted, helpText, parseConfig, type Settings, UsageError } from "./config.ts";

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
  const command = await entry.load();
  try {
    const { config, positionals } = parseConfig(command, rest, process.env);
    await command.run(config, positionals);
  } catch (error) {
    if (!(error instanceof HelpWanted)) throw error;
    process.stdout.write(helpText(command));
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const known = error instanceof UsageError;
  process.stderr.write(`smschannel: ${known ? error.message : ((error as Error)?.stack ?? String(error))}\n`);
  process.exitCode = known ? 2 : 1;
});
