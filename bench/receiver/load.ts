import { createHmac } from "node:crypto";
import { connect, type Socket } from "node:net";
import { ACCOUNT, NUMBER, TOKEN, URL_OF_STREAM } from "./server.ts";

/**
 * Signed distinct texts as bytes ready to be sent: the load must cost little beside the servers, which share the machine
 * with it. Node's own client costs more per request than any of the three servers.
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
  refused: number;
  seconds: number;
  /** Milliseconds from when a text was due to its answer, sorted. */
  latencies: Float64Array;
}

/** Each connection sends its next text as soon as the one before is answered. */
export async function closedLoop(port: number, texts: Buffer[], connections: number): Promise<LoadResult> {
  const run = new Run(port, texts);
  const start = performance.now();
  await run.open(connections, (client) => run.next(client, performance.now()));
  return run.result(start);
}

/** Texts fall due at an even rate, whatever the server does; `seconds` at most. */
export async function openLoop(port: number, texts: Buffer[], rate: number): Promise<LoadResult> {
  const run = new Run(port, texts);
  const start = performance.now();
  let due = 0;
  await run.open(
    256,
    (client) => run.idle.push(client),
    (stop) => {
      const timer = setInterval(() => {
        const until = Math.min(texts.length, Math.floor(((performance.now() - start) * rate) / 1000));
        for (; due < until && run.idle.length > 0; due++)
          run.next(run.idle.pop()!, start + (due * 1000) / rate);
        if (due === texts.length && run.idle.length === run.size) {
          clearInterval(timer);
          stop();
        }
      }, 1);
    },
  );
  return run.result(start);
}

interface Client {
  socket: Socket;
  dueMs: number;
}

/** Answers of all three are short, with a content-length, and arrive in one piece or two. */
class Run {
  readonly idle: Client[] = [];
  size = 0;
  readonly #port: number;
  readonly #texts: Buffer[];
  #sent = 0;
  #acknowledged = 0;
  #refused = 0;
  readonly #latencies: Float64Array;
  #done: () => void = () => {};

  constructor(port: number, texts: Buffer[]) {
    this.#port = port;
    this.#texts = texts;
    this.#latencies = new Float64Array(texts.length);
  }

  async open(connections: number, onFree: (client: Client) => void, drive?: (stop: () => void) => void) {
    this.size = connections;
    const done = new Promise<void>((resolve) => {
      this.#done = resolve;
    });
    const clients = await Promise.all(Array.from({ length: connections }, () => this.#connect(onFree)));
    for (const client of clients) onFree(client);
    drive?.(this.#done);
    await done;
    for (const { socket } of clients) socket.destroy();
  }

  next(client: Client, dueMs: number) {
    const text = this.#texts[this.#sent];
    if (text === undefined) return;
    this.#sent++;
    client.dueMs = dueMs;
    client.socket.write(text);
  }

  result(startMs: number): LoadResult {
    const seconds = (performance.now() - startMs) / 1000;
    const latencies = this.#latencies.slice(0, this.#acknowledged + this.#refused).sort();
    return { acknowledged: this.#acknowledged, refused: this.#refused, seconds, latencies };
  }

  #connect(onFree: (client: Client) => void): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
      const client: Client = { socket, dueMs: 0 };
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk.toString("latin1");
        if (!isWhole(answer)) return;
        this.#latencies[this.#acknowledged + this.#refused] = performance.now() - client.dueMs;
        if (answer.startsWith("HTTP/1.1 200")) this.#acknowledged++;
        else this.#refused++;
        answer = "";
        onFree(client);
        if (this.#acknowledged + this.#refused === this.#texts.length) this.#done();
      });
      socket.once("connect", () => resolve(client)).once("error", reject);
    });
  }
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /content-length: (\d+)/i.exec(answer);
  return answer.length - end - 4 >= Number(length?.[1] ?? 0);
}
