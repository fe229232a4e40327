// A proxy that spoils requests as ingresses, CDNs and firewalls do. It imports only Node's own modules, so that it can also run alone in a
// pod, with SPOILER_TARGET and SPOILER_PORT set. `GET /_mode/NAME` sets how requests are spoiled from that call on.
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from "node:http";
import type { AddressInfo } from "node:net";

/** A request on its way through the proxy. A spoil changes the request in place. */
interface Passing {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface SpoiledReply {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** Changes a request. When it returns a reply, the proxy sends this reply and does not forward the request. */
type Spoil = (passing: Passing) => SpoiledReply | undefined;

/** Changes the fields of a form and encodes them again, like a proxy that parses forms. */
const fields =
  (change: (pairs: [string, string][]) => [string, string][]): Spoil =>
  (passing) => {
    const pairs = change([...new URLSearchParams(passing.body.toString())]);
    passing.body = Buffer.from(new URLSearchParams(pairs).toString());
    return undefined;
  };
const values = (change: (value: string) => string): Spoil =>
  fields((pairs) => pairs.map(([name, value]) => [name, change(value)]));
const text =
  (change: (body: string) => string): Spoil =>
  (passing) => {
    passing.body = Buffer.from(change(passing.body.toString("latin1")), "latin1");
    return undefined;
  };
const path =
  (change: (path: string) => string): Spoil =>
  (passing) => {
    passing.path = change(passing.path);
    return undefined;
  };
const headers =
  (change: (headers: IncomingHttpHeaders) => void): Spoil =>
  (passing) => {
    change(passing.headers);
    return undefined;
  };
const answer =
  (status: number, body = "", more: Record<string, string> = {}): Spoil =>
  () => ({ status, body, headers: more });
const page = { "content-type": "text/html" };
const when =
  (isMeant: (passing: Passing) => boolean, spoil: Spoil): Spoil =>
  (passing) =>
    isMeant(passing) ? spoil(passing) : undefined;
const last = (pairs: [string, string][]) => [...new Map(pairs)];

export const SPOILS = {
  nothing: () => undefined,
  // These spoils are harmless: the receiver accepts a text that one of these spoils has changed.
  "host rewritten": headers((all) => {
    all.host = "internal:1";
  }),
  "query appended": path((at) => `${at}?utm=1`),
  "prefix stripped": path((at) => at.replace(/^\/sms/, "")),
  "slash in front": path((at) => `/${at}`),
  "fields sorted": fields((pairs) => pairs.toSorted(([a], [b]) => (a < b ? -1 : 1))),
  "encoded anew": text((body) => body.replaceAll("+", "%20").replaceAll("%2B", "%2b")),
  "charset dropped": headers((all) => {
    all["content-type"] = "application/x-www-form-urlencoded";
  }),
  "headers added": headers((all) => {
    all["x-forwarded-for"] = "10.0.0.1";
    all["x-request-id"] = "1";
  }),
  "same field twice": fields((pairs) => [...pairs, pairs.at(-1)!]),
  // These spoils change the path.
  "slash appended": path((at) => `${at}/`),
  "path rewritten": path(() => "/"),
  "path cut": path((at) => at.replace(/^.*\/inbound/, "")),
  "path in capitals": path((at) => at.toUpperCase()),
  // These spoils change the headers or the method.
  "signature removed": headers((all) => {
    delete all["x-twilio-signature"];
  }),
  "signature changed": headers((all) => {
    all["x-twilio-signature"] = "x";
  }),
  "own headers removed": headers((all) => {
    for (const name of Object.keys(all)) if (name.startsWith("x-")) delete all[name];
  }),
  "type removed": headers((all) => {
    delete all["content-type"];
  }),
  "type changed": headers((all) => {
    all["content-type"] = "application/json";
  }),
  "body as JSON": (passing) => {
    passing.headers["content-type"] = "application/json";
    const all = Object.fromEntries(new URLSearchParams(passing.body.toString()));
    passing.body = Buffer.from(JSON.stringify(all));
    return undefined;
  },
  "GET instead": (passing) => {
    passing.method = "GET";
    passing.body = Buffer.alloc(0);
    delete passing.headers["content-type"];
    return undefined;
  },
  // These spoils change the body.
  "body removed": text(() => ""),
  "body cut": text((body) => body.slice(0, 400)),
  "body in small letters": text((body) => body.toLowerCase()),
  "names in small letters": fields((pairs) => pairs.map(([name, value]) => [name.toLowerCase(), value])),
  "values in small letters": fields((pairs) =>
    pairs.map(([name, value]) => [name, name.startsWith("SmsChannel") ? value : value.toLowerCase()]),
  ),
  "emoji removed": text((body) => body.replaceAll("%F0%9F%93%A6", "")),
  "emoji replaced": values((value) => value.replace(/[\u{10000}-\u{10ffff}]/gu, "?")),
  "read as latin1": values((value) => Buffer.from(value).toString("latin1")),
  "unicode composed": values((value) => value.normalize("NFC")),
  "unicode decomposed": values((value) => value.normalize("NFD")),
  "empty fields dropped": fields((pairs) => pairs.filter(([, value]) => value !== "")),
  "values trimmed": values((value) => value.trim()),
  "last of a name kept": fields(last),
  "line breaks as CRLF": values((value) => value.replaceAll("\n", "\r\n")),
  "decoded twice": text((body) => body.replaceAll("%25", "%")),
  "blanks as plus": values((value) => value.replaceAll(" ", "+")),
  "plus as blank": text((body) => body.replaceAll("%2B", "+")),
  "escaped for HTML": values((value) => value.replaceAll("&", "&amp;").replaceAll("'", "&#39;")),
  "unknown fields dropped": fields((pairs) => pairs.filter(([name]) => /^(To|From|Body|SmsCh)/.test(name))),
  "field added": fields((pairs) => [...pairs, ["csrf", "1"]]),
  // With these spoils the proxy answers, and the receiver does not get the request.
  "moved for good": (passing) => ({
    status: 308,
    headers: { location: `https://sms.example.com${passing.path}` },
  }),
  "slash by redirect": (passing) => ({ status: 301, headers: { location: `${passing.path}/` } }),
  "https by redirect": (passing) => ({
    status: 301,
    headers: { location: `https://${passing.headers.host}${passing.path}` },
  }),
  "login page": answer(302, "", { location: "https://sso.example.com/login?return=%2Finbound" }),
  "login by oauth2-proxy": (passing) => ({
    status: 302,
    headers: { location: `/oauth2/start?rd=${encodeURIComponent(passing.path)}` },
  }),
  "home page by redirect": answer(303, "", { location: "https://www.example.com/?token=secret" }),
  "redirect without a place": answer(307),
  "web page": answer(200, "<html>welcome</html>", page),
  "asks for a login": answer(401, "", { "www-authenticate": "Basic" }),
  "firewall's page": answer(403, "<html>blocked</html>", page),
  "empty 403": answer(403),
  "no such page": answer(404, "default backend - 404"),
  "no POST": answer(405, "<html>not allowed</html>", page),
  "proxy's login": answer(407),
  "too large": answer(413, "<html>too large</html>", page),
  "type refused": answer(415),
  "too many": answer(429),
  "bad gateway": answer(502, "<html>bad gateway</html>", page),
  "no receiver": answer(503, "<html>unavailable</html>", page),
  "empty 503": answer(503),
  "gateway's patience": answer(504, "<html>time-out</html>", page),
  "no long bodies": when(({ body }) => body.length > 8192, answer(413, "<html>too large</html>", page)),
  "firewall against emoji": when(({ body }) => body.includes("%F0%9F"), answer(403)),
  "firewall against unknown headers": when(
    ({ headers }) => headers["x-twilio-signature"] !== undefined,
    answer(406, "<html>not acceptable</html>", page),
  ),
} satisfies Record<string, Spoil>;

export type Mode = keyof typeof SPOILS;

export interface Spoiler {
  readonly url: string;
  /** How requests are spoiled. May be changed at any time. */
  mode: Mode;
  close(): Promise<void>;
}

/** Starts the proxy in front of the receiver at `target`. */
export async function startSpoiler(target: string, port = 0, host = "127.0.0.1"): Promise<Spoiler> {
  const spoiler = { url: "", mode: "nothing" as Mode, close: async () => {} };
  const server = createServer((incoming, outgoing) => {
    const wanted = /^\/_mode\/(.+)$/.exec(incoming.url ?? "")?.[1];
    if (wanted === undefined) return void pass(incoming, outgoing, target, SPOILS[spoiler.mode]);
    spoiler.mode = decodeURIComponent(wanted) as Mode;
    outgoing.writeHead(spoiler.mode in SPOILS ? 200 : 404).end(`${spoiler.mode}\n`);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  spoiler.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  spoiler.close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return spoiler;
}

async function pass(incoming: IncomingMessage, outgoing: ServerResponse, target: string, spoil: Spoil) {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method = "", url = "", headers } = incoming;
  const passing: Passing = { method, path: url, headers: { ...headers }, body: Buffer.concat(chunks) };
  const reply = spoil(passing);
  if (reply !== undefined) return outgoing.writeHead(reply.status, reply.headers).end(reply.body);
  const { hostname, port } = new URL(target);
  delete passing.headers.connection;
  delete passing.headers["transfer-encoding"];
  passing.headers["content-length"] = String(passing.body.length);
  const { method: as, path, headers: kept, body } = passing;
  const onward = send({ hostname, port, method: as, path, headers: kept, agent: false }, (answered) => {
    outgoing.writeHead(answered.statusCode ?? 502, answered.headers);
    answered.pipe(outgoing);
  });
  onward.on("error", () => outgoing.writeHead(502).end());
  onward.end(body);
}

const { SPOILER_PORT, SPOILER_TARGET } = process.env;
if (SPOILER_TARGET !== undefined) await startSpoiler(SPOILER_TARGET, Number(SPOILER_PORT), "0.0.0.0");
