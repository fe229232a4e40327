import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

// What the three servers have in common: account and token, where the database is, and how they say that they listen.

export const TOKEN = "0123456789abcdef0123456789abcdef";
export const ACCOUNT = "AC00000000000000000000000000000001";
export const NUMBER = "15005550006";
export const URL_OF_STREAM = "https://sms.example.com/inbound/team-a/support";

export const databaseUrl = (): string => {
  const url = process.env.DATABASE_URL;
  if (url === undefined) throw new Error("DATABASE_URL is needed");
  return url;
};

/** One line of JSON on stdout tells the bench that it can begin. */
export function ready(port: number): void {
  process.stdout.write(`${JSON.stringify({ port })}\n`);
}

export function listen(server: Server): void {
  // Longer than a load takes. By default Node closes a connection after five idle seconds, and would lose a request that is just
  // being sent on it.
  server.keepAliveTimeout = 120_000;
  server.listen(0, "127.0.0.1", () => ready((server.address() as AddressInfo).port));
}
