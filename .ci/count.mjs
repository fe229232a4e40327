// count.mjs REPORT.json EXIT_CODE: "PASSED FAILED" of a vitest run, from its JSON report.
import { readFileSync } from "node:fs";

const [file, code] = process.argv.slice(2);
let report = { numPassedTests: 0, numFailedTests: 0 };
try {
  report = JSON.parse(readFileSync(file, "utf8"));
} catch {}
// A run that failed without a failed test: a file that could not be loaded, a setup, the time limit.
const failed = Math.max(report.numFailedTests, code === "0" && report.numPassedTests > 0 ? 0 : 1);
console.log(report.numPassedTests, failed);
