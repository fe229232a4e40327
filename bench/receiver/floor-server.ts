// A server on node:http that does as little as possible, but still stores every text that it acknowledges. It parses and sorts the fields,
// checks one HMAC with a token that it knows, stores bodies by group commit on one connection, and answers. It has no routes, limits, error
// handling or metrics.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import { parse } from "node:querystring";
import pg from "pg";
import { databaseUrl, listen, TOKEN, URL_OF_STREAM } from "./server.ts";

const client = new pg.Client({ connectionString: databaseUrl() });
await client.connect();

const INSERT = {
  name: "floor",
  text: "insert into floor (account_sid, message_sid, body) select * from unnest($1::text[], $2::text[], $3::text[]) on conflict do nothing",
};

interface WaitingText {
  account: string;
  sid: string;
  body: string;
  response: ServerResponse;
}
let queue: WaitingText[] = [];
let isWriting = false;

// Group commit: texts that arrive during an insert wait, and the next insert stores all of them at once.
async function write() {
  isWriting = true;
  while (queue.length > 0) {
    const batch = queue;
    queue = [];
    const values = [batch.map((w) => w.account), batch.map((w) => w.sid), batch.map((w) => w.body)];
    await client.query({ ...INSERT, values });
    for (const { response } of batch)
      response.writeHead(200, { "content-type": "text/xml", "content-length": 11 }).end("<Response/>");
  }
  isWriting = false;
}

listen(
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("latin1");
      const fields = parse(body) as Record<string, string>;
      let base = URL_OF_STREAM;
      for (const name of Object.keys(fields).sort()) base += name + fields[name];
      const wanted = createHmac("sha1", TOKEN).update(base).digest();
      const given = Buffer.from(String(request.headers["x-twilio-signature"]), "base64");
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
        response.writeHead(403).end();
        return;
      }
      queue.push({ account: fields.AccountSid!, sid: fields.MessageSid!, body, response });
      if (!isWriting) setImmediate(() => isWriting || write());
    });
  }),
);
