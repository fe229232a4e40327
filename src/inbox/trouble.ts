import { isCertificate, noAnswer } from "../no-answer.ts";

/** Describes what is wrong with a database in words for a person. */
export interface DatabaseTrouble {
  code: string | undefined;
  /** The problem in our own words, because messages of PostgreSQL can quote rows. */
  problem: string;
  /** True when somebody must repair the problem: waiting does not help. */
  lasts: boolean;
}

/** Names of our own error classes. The messages of such errors may be shown as they are. */
const OURS = new Set(["SchemaError", "DatabaseUrlError", "NotKeptError", "NotWantedError"]);

/** Says why a connection, or a statement on it, failed. `role` names the login, such as "the receiver's role". */
export function troubleOf(error: unknown, role: string): DatabaseTrouble {
  const { code, message, name } = error as { code?: string; message: string; name: string };
  if (OURS.has(name)) return { code, problem: message, lasts: name === "DatabaseUrlError" };
  const lasting = lastingProblem(code, message, role);
  if (lasting !== undefined) return { code, problem: lasting, lasts: true };
  return { code, problem: passingProblem(code), lasts: false };
}

function lastingProblem(code: string | undefined, message: string, role: string): string | undefined {
  if (code === "28P01") return `the database refuses ${role} (28P01): wrong password, or no such role`;
  if (code?.startsWith("28"))
    return `the database refuses ${role} (${code}): no such role, or pg_hba.conf does not allow it from here`;
  if (code?.startsWith("3D")) return `the database does not exist (${code})`;
  if (code === "42501") return `${role} lacks a right (42501)`;
  if (isCertificate(code))
    return `the database's server is not trusted: ${noAnswer(code)}. Add its authority with sslrootcert in the URL, or with trustedCertificates in the chart`;
  if (code !== undefined) return undefined;
  // The driver reports the errors below without a code, so only their messages tell them apart.
  if (/password must be a (non-empty )?string/.test(message))
    return "the database asks for a password, and DATABASE_URL has none";
  if (/does not support SSL/.test(message))
    return "the database does not speak TLS, which sslmode in DATABASE_URL asks for";
  return undefined;
}

function passingProblem(code: string | undefined): string {
  if (code === "57P03") return "the database is starting or recovering (57P03)";
  if (code === "53300") return "the database has no connection left (53300)";
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code) && /[0-9]/.test(code))
    return `the database answers with an error (${code})`;
  return `the database does not answer (${code ?? "no answer in time"})`;
}
