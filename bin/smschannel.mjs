#!/usr/bin/env node
// The program from a checkout: `bin/smschannel.mjs controller --help`. Images carry the bundled form.

// Files named on the command line are relative to where the person is, not to the checkout.
process.env.SMSCHANNEL_CWD ??= process.cwd();
process.argv.splice(2, 0, "src/main/smschannel.ts");
await import("../scripts/run.mjs");
