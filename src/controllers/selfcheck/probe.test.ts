import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createProber } from "./probe.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const target = {
  namespaceUid: "u",
  stream: "s",
  accountSid: "AC1",
  checkKey: new Uint8Array(32),
  url: "http://sms.invalid/inbound/a/b",
};

/** Which way a probe's requests went, by who was asked for what. */
async function askedWith(address?: string): Promise<string[]> {
  const asked: string[] = [];
  const proxy = await serve((request, response) => {
    asked.push(`proxy ${request.url}`);
    response.writeHead(403).end();
  });
  const door = await serve((request, response) => {
    asked.push(`door ${request.headers.host}${request.url}`);
    response.writeHead(403).end();
  });
  const before = process.env.HTTP_PROXY;
  process.env.HTTP_PROXY = `http://${proxy}`;
  open.push(() => {
    if (before === undefined) delete process.env.HTTP_PROXY;
    else process.env.HTTP_PROXY = before;
  });
  const prober = createProber(address === undefined ? {} : { address: address.replace("DOOR", door) });
  expect(await prober.probe(target, { long: false }, new AbortController().signal)).toMatchObject({
    reason: "RoutesNotLoaded",
  });
  await prober.close();
  return [...new Set(asked)];
}

test("a probe takes the proxy that the environment names, as the way out may be the only way back in", async () => {
  expect(await askedWith()).toEqual(["proxy http://sms.invalid/inbound/a/b"]);
});

test("a given address is connected to, whatever the proxy", async () => {
  expect(await askedWith("DOOR")).toEqual(["door sms.invalid/inbound/a/b"]);
});
