import { pino } from "pino";
import { standardOutput } from "./log-output.ts";

/**
 * A log. Give it constant lower-case messages and put facts into fields, as in `log.info({ reason }, "webhooks set")`, so that
 * one search finds all lines of a kind.
 */
export type Log = pino.Logger;

export interface LogOptions {
  level: string;
  /** The name of the process: `controller`, `receiver`, … */
  process: string;
  /** Where the lines go. Default: standard output. */
  destination?: pino.DestinationStream;
}

/**
 * A log that writes JSON lines. Of an error and its causes only name, message, reason and stack are logged. The other fields of
 * an error may contain a request with credentials (in errors of axios and PostgreSQL they do), and pino's default serializer
 * would copy them.
 */
export function createLog({ level, process, destination }: LogOptions): Log {
  const options: pino.LoggerOptions = {
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
  };
  return pino(options, destination ?? standardOutput);
}

/** A log that writes nothing, for tests and for use as a library. */
export const silentLog: Log = pino({ level: "silent" });

function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  const reason = (error as { reason?: unknown }).reason;
  return {
    name: error.name,
    message: error.message,
    ...(typeof reason === "string" ? { reason } : {}),
    stack: error.stack,
    ...(error.cause !== undefined && depth < 3 ? { cause: describeError(error.cause, depth + 1) } : {}),
  };
}
