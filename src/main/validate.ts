import { readSources } from "../validate/files.ts";
import { counts, jsonReport, textReport } from "../validate/report.ts";
import { validate } from "../validate/validate.ts";
import { type Command, oneOf, type Setting, text, UsageError } from "./config.ts";

const settings = {
  old: {
    env: "OLD",
    flagOnly: true,
    help: "File with the objects as they are in the cluster, such as kubectl get -o yaml prints: changes that are not allowed are found too.",
    parse: text,
  },
  output: {
    env: "OUTPUT",
    flagOnly: true,
    help: "text: a line per finding; json: one object for tools.",
    default: "text",
    parse: oneOf("text", "json"),
  },
} satisfies Record<string, Setting<unknown>>;

/** `smschannel validate FILE…`: 0 no error, 1 errors, 2 wrong use. Needs no cluster and no network. */
export const validateCommand: Command<typeof settings> = {
  name: "validate",
  summary: "Check manifests as the API server and the operator would, without a cluster.",
  positionals: "FILE…",
  settings,
  async run({ old, output }, paths) {
    if (paths.length === 0) throw new UsageError("name at least one file or folder, or - for standard input");
    const read = async (names: string[]) => {
      try {
        return await readSources(names);
      } catch (error) {
        throw new UsageError((error as Error).message);
      }
    };
    const result = await validate(await read(paths), old === undefined ? [] : await read([old]));
    process.stdout.write(output === "json" ? jsonReport(result) : textReport(result));
    if (counts(result.findings).errors > 0) process.exitCode = 1;
  },
};
