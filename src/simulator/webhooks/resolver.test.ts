import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { rememberingLookup } from "./resolver.ts";

/** Runs a lookup and returns the arguments that it passes to its callback. */
function ask(lookup: ReturnType<typeof rememberingLookup>, host: string, all: boolean) {
  return new Promise((resolve) => lookup(host, { all }, (...got) => resolve(got)));
}

test("a lookup gives one address, or all addresses if node:net asks for all", async () => {
  const lookup = rememberingLookup(() => 0);
  const [none, address, family] = (await ask(lookup, "localhost", false)) as [null, string, number];
  expect(none).toBeNull();
  expect([4, 6]).toContain(family);
  const [, addresses] = (await ask(lookup, "localhost", true)) as [null, { address: string }[]];
  expect(addresses.map((each) => each.address)).toContain(address);
});

test("every lookup of an unknown name fails with the error code of the DNS lookup", async () => {
  const lookup = rememberingLookup(() => 0);
  for (let again = 0; again < 2; again++) {
    const [error] = (await ask(lookup, "nowhere.invalid", true)) as [NodeJS.ErrnoException];
    expect(["ENOTFOUND", "EAI_AGAIN"]).toContain(error.code);
  }
});

test("node:http can make a request with the caching lookup", async () => {
  const server = createServer((_, response) => response.end("here"));
  await new Promise<void>((resolve) => server.listen(0, resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const text = await new Promise((resolve, reject) =>
      request({ hostname: "localhost", port, agent: false, lookup: rememberingLookup(() => 0) })
        .on("error", reject)
        .on("response", (response) => response.setEncoding("utf8").on("data", resolve))
        .end(),
    );
    expect(text).toBe("here");
  } finally {
    server.close();
  }
});
