import { createHmac } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ACCOUNT, NUMBER, TOKEN, URL_OF_STREAM } from "./server.ts";

/**
 * Signed texts, all different, as bytes that are ready to send. The load runs on the same machine as the servers, so it must cost little
 * CPU time. Node's own HTTP client costs more per request than any of the three servers.
 */
export function makeTexts(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const fields = fieldsOf(i);
    const signed = Object.entries(fields)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => name + value)
      .join("");
    const signature = createHmac("sha1", TOKEN)
      .update(URL_OF_STREAM + signed)
      .digest("base64");
    const body = new URLSearchParams(fields).toString();
    const head = [
      "POST /inbound/team-a/support HTTP/1.1",
      "Host: sms.example.com",
      "User-Agent: TwilioProxy/1.1",
      "Accept: */*",
      "Cache-Control: max-age=259200",
      `X-Twilio-Signature: ${signature}`,
      `I-Twilio-Idempotency-Token: 00000000-0000-4000-8000-${String(i).padStart(12, "0")}`,
      "Content-Type: application/x-www-form-urlencoded; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
  });
}

/** The fields of a text as Twilio sends them, some 560 bytes when encoded. */
function fieldsOf(i: number): Record<string, string> {
  const sid = `SM${i.toString(16).padStart(32, "0")}`;
  return {
    ToCountry: "US",
    ToState: "WA",
    SmsMessageSid: sid,
    NumMedia: "0",
    ToCity: "SEATTLE",
    FromZip: "98052",
    SmsSid: sid,
    FromState: "WA",
    SmsStatus: "received",
    FromCity: "REDMOND",
    Body: `Where is my parcel no. ${i}? It should have come yesterday, thanks!`,
    FromCountry: "US",
    To: `+${NUMBER}`,
    ToZip: "98101",
    NumSegments: "1",
    MessageSid: sid,
    AccountSid: ACCOUNT,
    From: `+1425555${String(i % 10_000).padStart(4, "0")}`,
    ApiVersion: "2010-04-01",
  };
}

export interface LoadResult {
  acknowledged: number;
  /** How many texts were not answered with 200, or were not answered at all. */
  refused: number;
  seconds: number;
  /**
   * For each text, the milliseconds between the time at which it was due and its answer, sorted. A text without an answer counts with the
   * time that the bench waited for the answer.
   */
  latencies: Float64Array;
}

export interface OpenLoopOptions {
  /** Every n-th text opens a new connection. Default: all texts use connections that are kept open. */
  freshEvery?: number;
}

/**
 * A text that has waited this long for its answer is given up. Twilio waits no longer:
 * https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
 */
const GIVE_UP_MS = 15_000;

/** Sends texts on a fixed number of connections. Each connection sends its next text as soon as its last text is answered. */
export async function closedLoop(port: number, texts: Buffer[], connections: number): Promise<LoadResult> {
  const run = new LoadRun(port, texts);
  const start = performance.now();
  await run.open(connections, (client) => run.next(client, performance.now()));
  return run.result(start);
}

/** Sends texts at an even rate, however slowly the server answers. */
export async function openLoop(
  port: number,
  texts: Buffer[],
  rate: number,
  options: OpenLoopOptions = {},
): Promise<LoadResult> {
  const run = new LoadRun(port, texts, options.freshEvery);
  const start = performance.now();
  let due = 0;
  const send = () => {
    const until = Math.min(texts.length, Math.floor(((performance.now() - start) * rate) / 1000));
    for (; due < until && run.idle.length > 0; due++) run.next(run.idle.pop()!, start + (due * 1000) / rate);
  };
  const timer = setInterval(send, 1);
  await run.open(256, (client) => run.idle.push(client));
  clearInterval(timer);
  return run.result(start);
}

/** One sender. It keeps its connection, and opens a new connection when the server has closed it. */
interface LoadClient {
  socket: Socket | undefined;
  /** The time at which the unanswered text of this sender was due. Undefined: this sender has no unanswered text. */
  dueMs: number | undefined;
  answer: string;
}

/** Sends the texts of one load. Reads answers in the simplest way: the answers of all three servers are short and have a content-length. */
class LoadRun {
  readonly idle: LoadClient[] = [];
  readonly #clients: LoadClient[] = [];
  readonly #port: number;
  readonly #texts: Buffer[];
  readonly #freshEvery: number;
  #onFree: (client: LoadClient) => void = () => {};
  #sent = 0;
  #acknowledged = 0;
  #ended = 0;
  #lastAnswerMs = 0;
  readonly #latencies: Float64Array;
  #done: () => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(port: number, texts: Buffer[], freshEvery = Number.POSITIVE_INFINITY) {
    this.#port = port;
    this.#texts = texts;
    this.#freshEvery = freshEvery;
    this.#latencies = new Float64Array(texts.length);
  }

  /** Opens the connections. Resolves when every text was answered or given up. */
  async open(connections: number, onFree: (client: LoadClient) => void) {
    this.#onFree = onFree;
    const done = new Promise<void>((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
    });
    for (let i = 0; i < connections; i++)
      this.#clients.push({ socket: undefined, dueMs: undefined, answer: "" });
    await Promise.all(this.#clients.map((client) => once(this.#connect(client), "connect")));
    this.#lastAnswerMs = performance.now();
    const timer = setInterval(() => this.#giveUp(), 1000);
    for (const client of this.#clients) onFree(client);
    await done.finally(() => {
      clearInterval(timer);
      for (const { socket } of this.#clients) socket?.destroy();
    });
  }

  next(client: LoadClient, dueMs: number) {
    const text = this.#texts[this.#sent];
    if (text === undefined) return;
    this.#sent++;
    client.dueMs = dueMs;
    if (this.#sent % this.#freshEvery === 0) {
      const old = client.socket;
      client.socket = undefined;
      old?.destroy();
    }
    // Node buffers what is written before the connection is established, and sends it afterwards.
    (client.socket ?? this.#connect(client)).write(text);
  }

  result(startMs: number): LoadResult {
    const seconds = (performance.now() - startMs) / 1000;
    const latencies = this.#latencies.slice(0, this.#ended).sort();
    return {
      acknowledged: this.#acknowledged,
      refused: this.#ended - this.#acknowledged,
      seconds,
      latencies,
    };
  }

  #connect(client: LoadClient): Socket {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    client.socket = socket;
    client.answer = "";
    socket.on("data", (chunk) => {
      if (client.socket !== socket) return;
      client.answer += chunk.toString("latin1");
      if (!isWhole(client.answer)) return;
      const isAcknowledged = client.answer.startsWith("HTTP/1.1 200");
      client.answer = "";
      this.#end(client, isAcknowledged);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (client.socket !== socket) return;
      client.socket = undefined;
      this.#end(client, false);
    });
    return socket;
  }

  /**
   * Records how long the sender's unanswered text took, and makes the sender free for its next text. Does nothing when the sender has no
   * unanswered text.
   */
  #end(client: LoadClient, isAcknowledged: boolean) {
    if (client.dueMs === undefined) return;
    const now = performance.now();
    this.#latencies[this.#ended++] = now - client.dueMs;
    client.dueMs = undefined;
    if (isAcknowledged) {
      this.#acknowledged++;
      this.#lastAnswerMs = now;
    }
    if (this.#ended === this.#texts.length) this.#done();
    else this.#onFree(client);
  }

  /**
   * Gives up each text that has waited for its answer longer than Twilio would wait: one lost answer must not hold up the whole
   * measurement.
   */
  #giveUp() {
    const now = performance.now();
    for (const client of this.#clients)
      if (client.dueMs !== undefined && now - client.dueMs > GIVE_UP_MS) client.socket?.destroy();
    if (now - this.#lastAnswerMs > 4 * GIVE_UP_MS)
      this.#fail(new Error("no text was acknowledged for a minute"));
  }
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /content-length: (\d+)/i.exec(answer);
  return answer.length - end - 4 >= Number(length?.[1] ?? 0);
}
