import { createLog, type Log } from "../../src/log.ts";

export interface RecordedLog {
  log: Log;
  /** The lines in the order in which they were written, each a JSON object. */
  lines: string[];
  /** The lines whose message begins with this text. */
  linesOf(message: string): Record<string, unknown>[];
}

/** A log that a test can read. */
export function recordedLog(level = "info"): RecordedLog {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return {
    log: createLog({ level, process: "test", destination }),
    lines,
    linesOf: (message) =>
      lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ msg }) => String(msg).startsWith(message)),
  };
}
