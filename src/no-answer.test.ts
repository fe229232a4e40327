import { readFileSync } from "node:fs";
import { createServer as createPlainServer, type Server } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";
import { describe, expect, test } from "vitest";
import { codeOf, isCertificate, noAnswer } from "./no-answer.ts";

describe("noAnswer says in words why a server gave no answer", () => {
  const rows: Record<string, [code: string | undefined, words: string]> = {
    "a private authority": [
      "SELF_SIGNED_CERT_IN_CHAIN",
      "its certificate is signed by an authority that is not trusted here",
    ],
    "an expired certificate": ["CERT_HAS_EXPIRED", "its certificate has expired (CERT_HAS_EXPIRED)"],
    "another host's certificate": [
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "its certificate is for another host name",
    ],
    "an unknown problem with a certificate": [
      "CERT_SIGNATURE_FAILURE",
      "its certificate is not trusted (CERT_SIGNATURE_FAILURE)",
    ],
    "an older version of TLS": [
      "ERR_SSL_UNSUPPORTED_PROTOCOL",
      "it speaks no TLS version that is supported here (ERR_SSL_UNSUPPORTED_PROTOCOL)",
    ],
    "a host name that does not exist": ["ENOTFOUND", "its host name does not resolve"],
    "a port without a server": ["ECONNREFUSED", "connection refused"],
    "a connection that takes too long": ["UND_ERR_CONNECT_TIMEOUT", "timed out"],
    "an answer that takes too long": ["UND_ERR_HEADERS_TIMEOUT", "timed out"],
    "a connection that breaks": ["ECONNRESET", "the connection was cut"],
    "a host without a route to it": ["EHOSTUNREACH", "connection failed (EHOSTUNREACH)"],
    "an error without a code": [undefined, "connection failed"],
  };
  for (const [name, [code, words]] of Object.entries(rows))
    test(name, () => expect(noAnswer(code)).toContain(words));
});

describe("noAnswer says in words why a real server gave no answer", () => {
  const fixture = (name: string) => readFileSync(new URL(`../test/fixtures/tls/${name}`, import.meta.url));
  const tls = (name: string) =>
    createServer({ cert: fixture(`${name}.crt`), key: fixture(`${name}.key`) }, (_, response) =>
      response.end(),
    );
  const rows: Record<string, [() => Server, words: RegExp, certificate: boolean]> = {
    "a self-signed certificate": [
      () => tls("self-signed"),
      /^its certificate is signed by itself \(DEPTH_ZERO_/,
      true,
    ],
    "a private authority's certificate": [
      () => tls("private-authority"),
      /^its certificate is signed by an authority that is not trusted here, or comes without/,
      true,
    ],
    "a server without TLS": [
      () => createPlainServer(),
      /^it speaks no TLS version that is supported here \(\w+\)$/,
      false,
    ],
  };
  for (const [name, [make, words, certificate]] of Object.entries(rows))
    test(name, async () => {
      const server = make();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const dispatcher = new Agent();
      const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
      const error = await request(url, { dispatcher }).catch((reason: unknown) => reason);
      expect(noAnswer(codeOf(error))).toMatch(words);
      expect(isCertificate(codeOf(error))).toBe(certificate);
      await dispatcher.destroy();
      server.close();
    });
});
