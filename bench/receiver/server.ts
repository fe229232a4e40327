import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

// What the three servers have in common: account and token, the database's URL, and the line that says that the server listens.

export const TOKEN = "0123456789abcdef0123456789abcdef";
export const ACCOUNT = "AC00000000000000000000000000000001";
export const NUMBER = "15005550006";
export const URL_OF_STREAM = "https://sms.example.com/inbound/team-a/support";

export const databaseUrl = (): string => {
  const url = process.env.DATABASE_URL;
  if (url === undefined) throw new Error("DATABASE_URL is needed");
  return url;
};

/** Tells the bench that it can begin: one line of JSON on stdout. */
export function ready(port: number): void {
  process.stdout.write(`${JSON.stringify({ port })}\n`);
}

export function listen(server: Server): void {
  // An idle connection stays open for longer than a load takes. By default Node closes a connection that is idle for five seconds, and
  // would lose a request that is just being sent on it.
  server.keepAliveTimeout = 120_000;
  server.listen(0, "127.0.0.1", () => ready((server.address() as AddressInfo).port));
}
