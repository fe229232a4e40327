import { readSources } from "../validate/files.ts";
import { counts, jsonReport, textReport } from "../validate/report.ts";
import { validate } from "../validate/validate.ts";
import { type Command, oneOf, type Setting, text, UsageError } from "./config.ts";

const settings = {
  old: {
    env: "OLD",
    flagOnly: true,
    help: "File with the objects that are in the cluster, as kubectl get -o yaml prints them. With it, forbidden changes are found as well.",
    parse: text,
  },
  output: {
    env: "OUTPUT",
    flagOnly: true,
    help: "text: one line per finding; json: one object, for tools.",
    default: "text",
    parse: oneOf("text", "json"),
  },
} satisfies Record<string, Setting<unknown>>;

/** `smschannel validate FILE…`. Exit codes: 0 no error, 1 errors found, 2 wrong use. Needs neither a cluster nor a network. */
export const validateCommand: Command<typeof settings> = {
  name: "validate",
  summary: "check manifests without a cluster, as the API server and the operator would",
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
