import { cp } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build, type Plugin } from "esbuild";
import { assets, threads } from "../../src/assets.ts";
import { version } from "../../src/version.ts";

export const root = resolve(import.meta.dirname, "../..");

/** Modules that are of no use in an image, each with the module that replaces it. */
const leftOut: Record<string, string> = {
  "demo/play.ts": "scripts/bundle/left-out/demo.ts",
  "src/inbox/embedded.ts": "scripts/bundle/left-out/embedded.ts",
};

const threadPrograms = Object.fromEntries(
  Object.entries(threads).map(([name, from]) => [`${name}-thread`, `src/${from}`]),
);

/** The source files of a bundle, by path from the repository's root, with the number of bytes that each file contributes. */
export type Inputs = Map<string, number>;

/**
 * Bundles `smschannel` into a folder: `smschannel.mjs`, a file for each thread, and a file for each part that only some commands load. The
 * Twilio SDK is two thirds of the code, and with separate files a receiver neither parses it nor keeps it in memory. The same sources give
 * the same bytes. Without a folder, nothing is written.
 */
export async function bundleProgram(folder?: string): Promise<Inputs> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { smschannel: "src/main/smschannel.ts", ...threadPrograms },
    outdir: folder ?? "dist",
    write: folder !== undefined,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    metafile: true,
    // Names are not shortened and lines stay short, so that a stack trace from a cluster can be read.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
    // Licence comments are dropped, because scripts/bundle/licenses.ts collects all licences in one file.
    legalComments: "none",
    define: { SMSCHANNEL_BUNDLED: "true", SMSCHANNEL_VERSION: JSON.stringify(version) },
    // Defines `require`: CommonJS packages load Node's modules with it, and ES modules do not have it.
    banner: {
      js: 'import { createRequire as bundledRequire } from "node:module"; const require = bundledRequire(import.meta.url);',
    },
    plugins: [standIns],
    logLevel: "warning",
  });
  if (folder !== undefined)
    for (const [name, from] of Object.entries(assets))
      await cp(resolve(root, "src", from), join(folder, name), { recursive: true });
  return inputsOf(metafile.outputs);
}

const standIns: Plugin = {
  name: "stand-ins",
  setup({ onResolve }) {
    onResolve({ filter: /\.ts$/ }, ({ path, resolveDir, kind }) => {
      if (kind === "entry-point") return undefined;
      const standIn = leftOut[resolve(resolveDir, path).slice(root.length + 1)];
      return standIn === undefined ? undefined : { path: resolve(root, standIn) };
    });
  },
};

function inputsOf(outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>): Inputs {
  const sizes: Inputs = new Map();
  for (const { inputs } of Object.values(outputs))
    for (const [path, { bytesInOutput }] of Object.entries(inputs))
      if (bytesInOutput > 0) sizes.set(path, (sizes.get(path) ?? 0) + bytesInOutput);
  return sizes;
}
