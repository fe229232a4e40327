import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { PostgresStore } from "../../src/inbox/store.ts";
import { silentLog } from "../../src/log.ts";
import { metric, newInbox, post, routeFor, signedPost, startReceiver, textFields } from "./harness.ts";

// In these tests the database URL has several hosts. Some of them accept connections and never send anything, like a proxy without a
// server behind it.

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Starts a host that accepts connections, sends nothing and does not close them. */
async function silentHost(onConnection = () => {}): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => undefined).resume());
    onConnection();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const behind = (url: string, hosts: string[]) => url.replace("@", `@${hosts.join()},`);

test("the retry of a text reaches the third database host when the first two do not answer in the time that a text may wait", async () => {
  const inbox = await newInbox();
  const url = behind(inbox.receiverUrl, [await silentHost(), await silentHost()]);
  const running = await startReceiver({ url, routes: [await routeFor()] });
  const text = signedPost(textFields());
  expect((await post(running.port, text)).status).toBe(503);
  // The second request is the retry that Twilio makes.
  expect((await post(running.port, text)).status).toBe(200);
  expect(await metric(running.metrics, "smschannel_inbound_total", { result: "stored" })).toBe(1);
  await running.stop();
  await inbox.owner.end();
}, 20_000);

test("a try to connect to the database begins with the next host after an aborted try, and with the first host after a success", async () => {
  const inbox = await newInbox();
  const reached: number[] = [];
  const seen = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const host = (at: number) =>
    silentHost(() => {
      reached.push(at);
      seen[at]!.resolve();
    });
  const url = behind(inbox.receiverUrl, [await host(0), await host(1)]);
  const store = new PostgresStore({ url, statementTimeoutMs: 3000, log: silentLog });
  for (const { promise } of seen) {
    const given = expect(store.connect()).rejects.toThrow();
    await promise;
    store.drop();
    await given;
  }
  await store.connect();
  expect(reached).toEqual([0, 1]);
  store.drop();
  await store.connect();
  expect(reached).toEqual([0, 1, 0, 1]);
  await store.close();
  await inbox.owner.end();
}, 20_000);
