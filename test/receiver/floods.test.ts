import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import type pg from "pg";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { ManualClock } from "../support/manual-clock.ts";
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

// In these tests unauthenticated clients send as much as they can. Their cost is counted, because times differ from machine to machine.

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

const begin = async (options: Partial<Parameters<typeof startReceiver>[0]> = {}) => {
  running = await startReceiver({ url: receiverUrl, routes: [await routeFor()], ...options });
};

/** Uses up the refusals that may be sent at once, so that later refusals wait until the clock moves. */
const useUpThePace = () => Promise.all(Array.from({ length: 100 }, () => flood(request(PATH, "a=1", FORM))));

/** Sends the bytes on a new connection. When the connection has ended, resolves with everything that came back. */
async function flood(bytes: string): Promise<string> {
  const socket = connect({ port: running.port, host: "127.0.0.1", noDelay: true });
  sockets.add(socket);
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(bytes);
  await closed;
  return received;
}

const FORM = "Content-Type: application/x-www-form-urlencoded";
const PATH = "/inbound/team-a/support";
const request = (path: string, body: string, ...headers: string[]) =>
  [`POST ${path} HTTP/1.1`, "Host: a", `Content-Length: ${body.length}`, ...headers, "", body].join("\r\n");
const cuts = (reason: string) => metric(running.metrics, "smschannel_connections_cut_total", { reason });
const inbound = (result: string) => metric(running.metrics, "smschannel_inbound_total", { result });
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const text = () => signedPost(textFields());
const status = async (request: Post) => (await post(running.port, request)).status;

describe("the connection of a request", () => {
  const rows: Record<string, [bytes: string, status: string]> = {
    "an unsigned text for a stream that exists": [request(PATH, "a=1", FORM), "403"],
    "an unsigned text for a stream that does not exist": [
      request("/inbound/team-a/nobody", "a=1", FORM),
      "403",
    ],
    "a text with a wrong signature": [
      request(PATH, "a=1", FORM, `X-Twilio-Signature: ${"A".repeat(27)}=`),
      "403",
    ],
    "a GET": ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "405"],
    "a GET with a large body": [request(PATH, "x".repeat(300 * 1024)).replace("POST", "GET"), "405"],
    "a POST that is not a form": [request(PATH, "{}", "Content-Type: application/json"), "415"],
    "a POST with a body that is too large": [request(PATH, "x".repeat(300 * 1024), FORM), "413"],
    "a GET without a Host header": ["GET / HTTP/1.1\r\n\r\n", "400"],
    "a POST with an unknown Expect header": [request(PATH, "a=1", FORM, "Expect: more"), "400"],
  };
  for (const [name, [bytes, status]] of Object.entries(rows))
    test(`is ended by the refusal of ${name}`, async () => {
      await begin();
      const answer = await flood(bytes);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    });

  test("stays open after a signed text", async () => {
    await begin();
    const { path, body, headers } = text();
    const bytes = request(path, String(body), FORM, `x-twilio-signature: ${headers!["x-twilio-signature"]}`);
    const socket = connect({ port: running.port, host: "127.0.0.1", noDelay: true });
    sockets.add(socket);
    for (let i = 0; i < 2; i++) {
      socket.write(bytes);
      const [answer] = (await once(socket, "data")) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /);
    }
  });
});

describe("at most two requests of a flood on one connection are read when the requests are", () => {
  const rows: Record<string, string> = {
    "the shortest possible": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "without a Host header": "GET / HTTP/1.1\r\n\r\n",
    "with an unknown Expect header": "GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n",
    "refused immediately": request(PATH, "a=1", FORM),
    "upgrades to another protocol":
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
  };
  for (const [name, one] of Object.entries(rows))
    test(name, async () => {
      await begin();
      let seen = 0;
      const count = () => seen++;
      subscribe("http.server.request.start", count);
      await flood(one.repeat(10_000));
      unsubscribe("http.server.request.start", count);
      expect(seen).toBeGreaterThan(0);
      expect(seen).toBeLessThanOrEqual(2);
      expect(await status(text())).toBe(200);
    });
});

describe("the connection of a body in too many pieces is ended", () => {
  const chunked = (chunk: string, count: number, head = `POST ${PATH} HTTP/1.1\r\n${FORM}`) =>
    `${head}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${`${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(count)}0\r\n\r\n`;
  const endsTheConnection = async (bytes: string) => {
    await begin();
    await flood(bytes);
    expect(await cuts("scattered")).toBe(1);
    expect(await status(text())).toBe(200);
  };
  test.each([1, 10, 100])("when the body comes in chunks of %d bytes", (size) =>
    endsTheConnection(chunked("a".repeat(size), 200_000 / size)));

  test.each([
    ["when the request is a GET", "GET / HTTP/1.1"],
    ["when the request is not a form", `POST ${PATH} HTTP/1.1\r\nContent-Type: application/json`],
  ])("%s", (_, head) => endsTheConnection(chunked("a", 200_000, head)));

  test("also while the answer to the request waits for its turn", async () => {
    const clock = new ManualClock();
    await begin({ clock });
    await useUpThePace();
    const large = chunked("a".repeat(60 * 1024), 10).slice(0, -"0\r\n\r\n".length);
    const ended = flood(large + "1\r\na\r\n".repeat(10_000));
    while ((await cuts("scattered")) === 0) await nextTurn();
    expect(await inbound("tooLarge")).toBe(1);
    await clock.advance(100);
    await ended;
  });

  test("but not when the pieces are as large or as few as those that a proxy makes", async () => {
    await begin();
    expect(await flood(chunked("a".repeat(1024), 200))).toMatch(/^HTTP\/1.1 403 /);
    expect(await flood(chunked("a".repeat(10), 100))).toMatch(/^HTTP\/1.1 403 /);
    expect(await cuts("scattered")).toBe(0);
  });
});

describe("a connection that the receiver cuts is closed at the pace of refused requests", () => {
  const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const CHUNKED = `POST ${PATH} HTTP/1.1\r\nHost: a\r\n${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const rows: Record<string, [bytes: string, answer: RegExp]> = {
    pipelined: [GET.repeat(10_000), /^$/],
    scattered: [CHUNKED + "1\r\na\r\n".repeat(50_000), /^$/],
    malformed: [`${"x".repeat(20)}\r\n`.repeat(10_000), /^HTTP\/1.1 400 /],
    headersTooLarge: [`GET /${"x".repeat(200_000)}`, /^HTTP\/1.1 431 /],
  };
  const untilCut = async (reason: string, count: number) => {
    while ((await cuts(reason)) < count) await nextTurn();
  };

  for (const [reason, [bytes, answer]] of Object.entries(rows))
    test(`and nothing more is read from it while it waits (${reason})`, async () => {
      const clock = new ManualClock();
      await begin({ clock });
      await useUpThePace();
      const accepted: Socket[] = [];
      const note = (message: unknown) => accepted.push((message as { socket: Socket }).socket);
      subscribe("net.server.socket", note);
      const ended: string[] = [];
      const cut = flood(bytes).then((received) => ended.push(received));
      await untilCut(reason, 1);
      unsubscribe("net.server.socket", note);
      const read = accepted[0]!.bytesRead;
      expect(read).toBeLessThanOrEqual(64 * 1024);
      expect(await status(text())).toBe(200);
      expect(accepted[0]!.bytesRead).toBe(read);
      expect(ended).toEqual([]);
      await clock.advance(100);
      await cut;
      expect(ended[0]).toMatch(answer);
      expect(await cuts(reason)).toBe(1);
    });

  test.each(
    Object.keys(rows),
  )("and 100 clients that connect again immediately are cut no faster than requests are refused (%s)", async (reason) => {
    const clock = new ManualClock();
    await begin({ clock });
    const [bytes] = rows[reason]!;
    let going = true;
    const stranger = async () => {
      while (going) await flood(bytes);
    };
    const strangers = Array.from({ length: 100 }, stranger);
    // A hundred refusals and ends of connections may happen at once: a hundred connections end, or fifty whose clients first get an answer.
    // All later connections wait for their turn.
    await untilCut(reason, 150);
    await clock.advance(500);
    expect(await status(text())).toBe(200);
    expect(await cuts(reason)).toBeLessThanOrEqual(200 + 50);
    going = false;
    await running.stop();
    await Promise.all(strangers);
  });

  test("and the part of its body that was read frees its share of the memory for bodies before the connection is closed", async () => {
    const size = 60_000;
    await begin({ clock: new ManualClock(), limits: { bodiesBytes: size } });
    await useUpThePace();
    const waiting = flood(`${CHUNKED}${size.toString(16)}\r\n${"a".repeat(size)}\r\nno length\r\n`);
    await untilCut("malformed", 1);
    expect(await status(signedPost(textFields({ Body: "b".repeat(size) })))).toBe(200);
    await running.stop();
    expect(await waiting).toMatch(/^HTTP\/1.1 400 /);
  });
});

test("the receiver accepts several new connections in each turn of the event loop", async () => {
  await begin();
  const CONNECTIONS = 80;
  const connected = new Int32Array(new SharedArrayBuffer(4));
  const client = new Worker(
    `const { connected, port, count } = require("node:worker_threads").workerData;
     for (let i = 0; i < count; i++)
       require("node:net").connect(port, "127.0.0.1").on("error", () => {}).once("connect", () => {
         if (Atomics.add(connected, 0, 1) === count - 1) Atomics.notify(connected, 0);
       });`,
    { eval: true, workerData: { connected, port: running.port, count: CONNECTIONS } },
  );
  // The kernel accepts the connections while this thread, in which the receiver runs, is blocked.
  await once(client, "online");
  for (let open = 0; open < CONNECTIONS; open = Atomics.load(connected, 0))
    Atomics.wait(connected, 0, open, 1000);
  let turns = 0;
  while ((await metric(running.metrics, "smschannel_connections")) < CONNECTIONS) {
    turns++;
    await nextTurn();
  }
  expect(turns).toBeLessThanOrEqual(CONNECTIONS / 2);
  await client.terminate();
});

test("a receiver does not start on the port of another receiver, although the system would let them share it", async () => {
  await begin();
  const second = startReceiver({ url: receiverUrl, routes: [], port: running.port });
  await expect(second).rejects.toThrow(/EADDRINUSE/);
  expect(await status(text())).toBe(200);
});

describe("texts with a large body", () => {
  test("get a 503 that waits in the queue of the refusals when the memory for bodies is used up", async () => {
    const clock = new ManualClock();
    await begin({ clock, limits: { bodiesBytes: 0 } });
    await useUpThePace();
    const answers: string[] = [];
    const crowded = flood(request(PATH, "a".repeat(20_000), FORM)).then((answer) => answers.push(answer));
    while ((await inbound("crowded")) === 0) await nextTurn();
    expect(await status(text())).toBe(200);
    expect(answers).toEqual([]);
    await clock.advance(10);
    await crowded;
    expect(answers[0]).toMatch(/^HTTP\/1.1 503 /);
    expect(answers[0]).toMatch(/\r\nconnection: close\r\n/i);
  });

  test("are stored while unauthenticated clients that know the account send large bodies, too", async () => {
    await begin();
    const size = 20_000;
    const account = textFields().find(([name]) => name === "AccountSid")![1];
    const large = request(
      PATH,
      `AccountSid=${account}&a=${"x".repeat(250_000)}`,
      FORM,
      `X-Twilio-Signature: ${"A".repeat(27)}=`,
    );
    const strangers = Array.from({ length: 20 }, () => flood(large));
    const texts = Array.from({ length: 5 }, () =>
      status(signedPost(textFields({ Body: "你".repeat(size / 9) }))),
    );
    expect(new Set(await Promise.all(texts))).toEqual(new Set([200]));
    for (const answer of await Promise.all(strangers)) expect(answer).toMatch(/^HTTP\/1.1 (403|503) /);
  });

  test("are dropped when their sender is gone, and the receiver goes on working", async () => {
    await begin();
    const fields = textFields({ Body: "x".repeat(200_000) });
    const { path, body, headers } = signedPost(fields);
    const bytes = request(path, String(body), FORM, `x-twilio-signature: ${headers!["x-twilio-signature"]}`);
    const socket = connect({ port: running.port, host: "127.0.0.1", noDelay: true });
    socket.write(bytes, () => socket.destroy());
    await once(socket, "close");
    expect(await status(text())).toBe(200);
  });
});
