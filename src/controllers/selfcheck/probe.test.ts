import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { answerTo, askedInBody, askedInHeader, CHECK_HEADER } from "../../routes/challenge.ts";
import { createProber } from "./probe.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

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
  checkKey: "a2V5",
  url: "http://sms.invalid/inbound/a/b",
};

/**
 * The requests of a probe. Each line names the server that got the request (`proxy`, or `door` for the given address)
 * and the URL.
 */
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

test("a probe goes through the proxy that HTTP_PROXY names, because that may be the only way out", async () => {
  expect(await askedWith()).toEqual(["proxy http://sms.invalid/inbound/a/b"]);
});

test("a probe connects to the address of URL_CHECK_ADDRESS even if HTTP_PROXY names a proxy", async () => {
  expect(await askedWith("DOOR")).toEqual(["door sms.invalid/inbound/a/b"]);
});

/**
 * A receiver that accepts every request, behind a firewall that refuses requests like those of Twilio while
 * `seen.refuses` is true. `seen.requests` counts the requests that reach the firewall.
 */
async function firewalled() {
  const seen = { requests: 0, refuses: true };
  const door = await serve(async (request, response) => {
    seen.requests += 1;
    const body = await bodyOf(request);
    if (seen.refuses && request.headers["user-agent"] === "TwilioProxy/1.1")
      return void response.writeHead(403).end();
    const asked = askedInHeader(request.headers[CHECK_HEADER]) ?? askedInBody(body);
    const report = {
      generation: 1,
      storeTakes: true,
      fits: true,
      method: "POST",
      target: request.url ?? "",
    };
    response.end(answerTo({ ...target, checkKey: Buffer.from(target.checkKey, "base64") }, asked!, report));
  });
  const prober = createProber({ address: door });
  open.push(() => prober.close());
  /** The result of a probe of a route, and how many requests the probe sent. */
  const probe = async (url = target.url) => {
    seen.requests = 0;
    const result = await prober.probe({ ...target, url }, { long: false }, new AbortController().signal);
    const problem = result.kind === "answered" ? result.problem?.reason : result.reason;
    return [problem ?? "good", seen.requests];
  };
  return { seen, probe };
}

test("a probe needs many requests to be sure that a firewall refuses requests like Twilio's, and later probes need one of each kind", async () => {
  const { seen, probe } = await firewalled();
  expect(await probe()).toEqual(["PublicUrlAltersRequests", 14]);
  expect(await probe()).toEqual(["PublicUrlAltersRequests", 2]);
  expect(await probe(`${target.url}-2`), "another route").toEqual(["PublicUrlAltersRequests", 2]);
  expect(await probe("http://other.invalid/inbound/a/b"), "another host").toEqual([
    "PublicUrlAltersRequests",
    14,
  ]);
  seen.refuses = false;
  expect(await probe(), "the firewall lets requests like Twilio's pass").toEqual(["good", 1]);
  seen.refuses = true;
  expect(await probe(), "the firewall refuses them again").toEqual(["PublicUrlAltersRequests", 14]);
});
