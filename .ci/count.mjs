// count.mjs REPORT.json EXIT_CODE: prints "PASSED FAILED", the counts of a vitest run, from its JSON report.
import { readFileSync } from "node:fs";

const [file, code] = process.argv.slice(2);
let report = { numPassedTests: 0, numFailedTests: 0 };
try {
  report = JSON.parse(readFileSync(file, "utf8"));
} catch {}
// A run can fail without a failed test: a file cannot be loaded, a setup fails or the time is over. Such a run counts as one failure.
const failed = Math.max(report.numFailedTests, code === "0" && report.numPassedTests > 0 ? 0 : 1);
console.log(report.numPassedTests, failed);
