const started = performance.now();

/** Prints a line of progress immediately, because these tests take minutes and a person may be watching. */
export function tell(text: string): void {
  const seconds = Math.round((performance.now() - started) / 1000);
  const clock = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  process.stderr.write(`e2e ${clock}  ${text}\n`);
}
