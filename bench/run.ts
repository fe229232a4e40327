// `npm run bench -- NAME [args]` runs a bench: a file in this folder that exports `run(args)`. A bench prints a table for people. Its last
// line is a JSON object {"bench":NAME,"targets":[{"name","value","unit","target","met"}]}.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = import.meta.dirname;

/** All benches by name. The summary of a bench is the first line of its first comment. */
function benches(): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of readdirSync(folder).sort()) {
    const text = file.endsWith(".ts") && file !== "run.ts" ? readFileSync(join(folder, file), "utf8") : "";
    if (!/^export (async function run\b|const run\b)/m.test(text)) continue;
    found.set(file.slice(0, -".ts".length), /^(?:\/\/|\/\*\*) ?(.*?)(?: \*\/)?$/m.exec(text)?.[1] ?? "");
  }
  return found;
}

function usage(): string {
  const rows = [...benches()].map(([name, summary]) => `  ${name.padEnd(12)} ${summary}`);
  return `npm run bench -- NAME [args]\n\nNames:\n${rows.join("\n")}\n`;
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined || name === "--help" || name === "-h") {
  process.stdout.write(usage());
} else if (!benches().has(name)) {
  process.stderr.write(`there is no bench "${name}"\n\n${usage()}`);
  process.exitCode = 2;
} else {
  const { run } = (await import(pathToFileURL(join(folder, `${name}.ts`)).href)) as {
    run: (args: string[]) => Promise<void>;
  };
  await run(args);
}
