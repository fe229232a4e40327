import { pino } from "pino";
import { standardOutput } from "./log-output.ts";

/** Constant lower-case text, facts as fields: `log.info({ reason }, "webhooks set")`. */
export type Log = pino.Logger;

export interface LogOptions {
  level: string;
  /** Which process speaks: `controller`, `receiver`, … */
  process: string;
  /** Instead of stdout. */
  destination?: pino.DestinationStream;
}

/**
 * JSON lines on stdout. Errors are logged by name, message, reason and stack only: an error's other fields may carry a
 * request with credentials in it (axios and PostgreSQL errors do), so the default serializer, which copies them, is replaced.
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

/** A log that says nothing, for tests and for library use. */
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

/** A phone number for logs: enough to tell two apart, not enough to call. `+14255550123` → `+1425…23`. */
export function maskNumber(number: string): string {
  return number.length < 8 ? "…" : `${number.slice(0, -6)}…${number.slice(-2)}`;
}
