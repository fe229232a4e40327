import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type pg from "pg";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { HttpLimits } from "../../src/receiver/http-server.ts";
import {
  metric,
  newInbox,
  type Post,
  post,
  type RunningReceiver,
  routeFor,
  signedPost,
  startReceiver,
  textFields,
} from "./harness.ts";

// These tests imitate what happens to a port that faces the internet: unauthenticated clients hoard connections, and send requests slowly
// or without end. The receiver must end such connections by itself, and still serve a text.

let receiverUrl: string;
let owner: pg.Client;
let running: RunningReceiver;
const sockets = new Set<Socket>();

beforeAll(async () => {
  ({ receiverUrl, owner } = await newInbox());
  return () => owner.end();
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await running.stop();
});

const begin = async (limits: Partial<HttpLimits> = {}) => {
  running = await startReceiver({ url: receiverUrl, routes: [await routeFor()], limits });
};

/** Time limits that are short enough for a test, but long enough for a text to get through on a busy machine. */
const SHORT = { headersMs: 2000, requestMs: 2000, checkEveryMs: 50 };

interface Stranger {
  socket: Socket;
  /** Everything that the client received until the connection ended. */
  ended: Promise<string>;
}

async function stranger(first = ""): Promise<Stranger> {
  const socket = connect({ port: running.port, host: "127.0.0.1", noDelay: true });
  sockets.add(socket);
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
  });
  socket.on("error", () => undefined);
  const ended = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  await new Promise((resolve) => socket.once("connect", resolve));
  if (first !== "") socket.write(first);
  return { socket, ended };
}

/**
 * Sends the same bytes every 100 ms until the connection ends. At this rate even headers stay below the limit of 100 headers for 10 s.
 */
function trickle({ socket }: Stranger, bytes: string) {
  const timer = setInterval(() => socket.write(bytes), 100);
  socket.once("close", () => clearInterval(timer));
}

const head = (...more: string[]) =>
  ["POST /inbound/team-a/support HTTP/1.1", "Host: sms.example.com", ...more, ""].join("\r\n");
const FORM = "Content-Type: application/x-www-form-urlencoded";

const smallHeaders = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: 1`);

const cuts = (reason: string) => metric(running.metrics, "smschannel_connections_cut_total", { reason });
const open = () => metric(running.metrics, "smschannel_connections");
const result = (name: string) => metric(running.metrics, "smschannel_inbound_total", { result: name });
const untilOpen = async (count: number) => {
  while ((await open()) < count) await new Promise((resolve) => setImmediate(resolve));
};
const text = () => signedPost(textFields());
const status = async (request: Post) => (await post(running.port, request)).status;

/** The bytes of the request that `post` would send, with the headers of `before` added in front. */
function bytesOf({ path, body, headers = {} }: Post, ...before: string[]): string {
  const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const lines = [`POST ${path} HTTP/1.1`, "Host: sms.example.com", FORM, ...before, ...own];
  return `${[...lines, `Content-Length: ${body.length}`].join("\r\n")}\r\n\r\n${body.toString()}`;
}

describe("a slow client is answered 408 and cut, and a text from another client is still stored:", () => {
  const rows: Record<string, () => Promise<Stranger>> = {
    "a connection that sends nothing": () => stranger(),
    "headers that come one every 100 ms": async () => {
      const slow = await stranger(head());
      trickle(slow, "X-A: b\r\n");
      return slow;
    },
    "a body that comes one byte every 100 ms": async () => {
      const slow = await stranger(`${head(FORM, "Content-Length: 100000")}\r\n`);
      trickle(slow, "a");
      return slow;
    },
    "a chunked body that never ends": async () => {
      const slow = await stranger(`${head(FORM, "Transfer-Encoding: chunked")}\r\n`);
      trickle(slow, "1\r\na\r\n");
      return slow;
    },
    "a second request on the same connection that never ends": async () => {
      const slow = await stranger(bytesOf(text()));
      await once(slow.socket, "data");
      slow.socket.write(head());
      return slow;
    },
  };
  for (const [name, make] of Object.entries(rows))
    test(name, async () => {
      await begin(SHORT);
      const slow = await make();
      const before = await result("stored");
      expect(await status(text())).toBe(200);
      expect(await slow.ended).toMatch(/HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n\r\n$/);
      expect(await cuts("slow")).toBe(1);
      expect((await result("stored")) - before).toBe(1);
    });
});

describe("an invalid request is answered with an error and its connection is cut immediately:", () => {
  const rows: Record<string, [bytes: string, answer: string, reason: string]> = {
    "a header of 17 KiB": [head(`X-Long: ${"x".repeat(17 * 1024)}`), "431", "headersTooLarge"],
    "headers of 17 KiB together": [
      head(...Array.from({ length: 1100 }, (_, i) => `X-${i}: 0123456`)),
      "431",
      "headersTooLarge",
    ],
    "a hundred and ten small headers": [`${head(...smallHeaders(110))}\r\n`, "431", "headersTooLarge"],
    "a target of 17 KiB": [`POST /${"x".repeat(17 * 1024)}`, "431", "headersTooLarge"],
    "a TLS handshake": ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400", "malformed"],
    "HTTP/2 without an upgrade": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", "malformed"],
    "two Content-Length headers": [
      `${head(FORM, "Content-Length: 1", "Content-Length: 2")}\r\na`,
      "400",
      "malformed",
    ],
    "a Content-Length header and a chunked body": [
      `${head(FORM, "Content-Length: 1", "Transfer-Encoding: chunked")}\r\n0\r\n\r\n`,
      "400",
      "malformed",
    ],
  };
  for (const [name, [bytes, answer, reason]] of Object.entries(rows))
    test(name, async () => {
      await begin();
      expect(await (await stranger(bytes)).ended).toContain(`HTTP/1.1 ${answer} `);
      expect(await cuts(reason)).toBe(1);
      expect(await status(text())).toBe(200);
    });
});

test("the receiver accepts a text with ninety additional small headers", async () => {
  await begin();
  const { socket } = await stranger(bytesOf(text(), ...smallHeaders(90)));
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toContain("HTTP/1.1 200 ");
});

describe("a client that does not wait for an answer before its next request is cut, and texts are still stored,", () => {
  const rows: Record<string, () => string> = {
    "when its requests are refused immediately": () => bytesOf({ ...text(), headers: {} }).repeat(10_000),
    "when its requests are texts that wait for the store": () => bytesOf(text()).repeat(10_000),
    "when it sends only two requests": () => bytesOf(text()).repeat(2),
  };
  for (const [name, make] of Object.entries(rows))
    test(name, async () => {
      await begin();
      await (await stranger(make())).ended;
      expect(await cuts("pipelined")).toBe(1);
      expect(await status(text())).toBe(200);
    });
});

describe("the number of connections is limited", () => {
  const LIMIT = 20;
  /** Number of hoarded connections, just below the share of the limit at which idle connections are closed. */
  const HOARDED = 17;

  test("and idle connections are closed in favour of a text", async () => {
    await begin({ connections: LIMIT });
    const hoard = await Promise.all(Array.from({ length: HOARDED }, () => stranger()));
    for (const { socket } of hoard) {
      socket.write(bytesOf(text()));
      await once(socket, "data");
    }
    expect(await open()).toBe(HOARDED);
    expect(await status(text())).toBe(200);
    await Promise.all(hoard.map(({ ended }) => ended));
    expect(await cuts("tooMany")).toBe(0);
  });

  test("and a text under way keeps its connection when idle connections would be closed", async () => {
    await begin({ connections: LIMIT });
    await owner.query("begin; lock table smschannel.inbox in access exclusive mode");
    const underWay = Array.from({ length: HOARDED }, () => status(text()));
    await untilOpen(HOARDED);
    const last = status(text());
    await owner.query("rollback");
    expect(new Set(await Promise.all([...underWay, last]))).toEqual(new Set([200]));
  });

  test("and a new connection is cut while all others are in the middle of a request", async () => {
    await begin({ ...SHORT, connections: LIMIT });
    const hoard = await Promise.all(Array.from({ length: LIMIT }, () => stranger(head())));
    // With several listeners, connections are not accepted in the order in which they were made. So the test waits for all of them.
    await untilOpen(LIMIT);
    expect(await (await stranger(head())).ended).toBe("");
    expect(await cuts("tooMany")).toBe(1);
    await Promise.all(hoard.map(({ ended }) => ended));
    expect(await status(text())).toBe(200);
    expect(await cuts("slow")).toBe(LIMIT);
  });

  test("and texts are stored beside a thousand idle connections and a thousand incomplete requests", async () => {
    await begin({ headersMs: 60_000, requestMs: 60_000 });
    const kinds = ["", head()];
    // The connections are made in waves, because the kernel lets only some hundreds wait to be accepted.
    for (let count = 100; count <= 2000; count += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => stranger(kinds[i % 2])));
      await untilOpen(count);
    }
    const answers = await Promise.all(Array.from({ length: 50 }, () => status(text())));
    expect(new Set(answers)).toEqual(new Set([200]));
  });
});

test("large bodies get 503 when slow bodies have used up the memory for bodies, but a text of usual size is stored", async () => {
  const size = 100_000;
  await begin({ ...SHORT, bodiesBytes: 10 * size });
  const request = `${head(FORM, `Content-Length: ${size + 1}`)}\r\n${"a".repeat(size)}`;
  // The first 16 KiB of each body do not count, and twelve bodies exceed the limit.
  const hoard = await Promise.all(Array.from({ length: 12 }, () => stranger(request)));
  const large = () => signedPost(textFields({ Body: "b".repeat(size) }));
  let answer = await status(large());
  // Nothing shows when the bytes have arrived, so the test sends large texts until one is refused.
  while (answer === 200) answer = await status(large());
  expect(answer).toBe(503);
  expect(await result("crowded")).toBeGreaterThan(0);
  // The refused text never reached the store, so it must not count as `overloaded`, which means an outage of the store.
  expect(await result("overloaded")).toBe(0);
  expect(await status(text())).toBe(200);
  await Promise.all(hoard.map(({ ended }) => ended));
  expect(await status(large())).toBe(200);
});
