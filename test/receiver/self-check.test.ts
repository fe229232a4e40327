import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createProber } from "../../src/controllers/selfcheck/probe.ts";
import { twilioLike } from "../../src/controllers/selfcheck/request.ts";
import { CHECK_HEADER, createChallenge } from "../../src/routes/challenge.ts";
import type { Route } from "../../src/routes/route.ts";
import * as older from "../fixtures/self-check-1/challenge.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import {
  newInbox,
  newSid,
  type Post,
  PUBLIC_URL,
  post,
  probeTarget,
  type RunningReceiver,
  routeFor,
  signedPost,
  startReceiver,
  textFields,
} from "./harness.ts";
import { databaseProxy } from "./proxy.ts";
import { STORE_FAULTS, storeFault } from "./store-faults.ts";

const PATH = "/inbound/team-a/support";
const BUDGET_MS = 600;

let inbox: Awaited<ReturnType<typeof newInbox>>;
let proxy: Awaited<ReturnType<typeof databaseProxy>>;
let clock: SkippingClock;
let running: RunningReceiver;
let route: Route;

beforeAll(async () => {
  inbox = await newInbox();
  proxy = await databaseProxy(inbox.receiverUrl);
  clock = new SkippingClock();
  route = await routeFor();
  running = await startReceiver({ url: proxy.url, routes: [route], storeBudgetMs: BUDGET_MS, clock });
});
afterAll(async () => {
  await running.stop();
  await proxy.close();
  await inbox.owner.end();
});

const send = (request: Post) => post(running.port, request);

/** Sends a self-check that looks like Twilio's request and may be changed on the way. Returns the report of the receiver. */
async function check(change: (request: Post) => Post = (same) => same) {
  const {
    headers,
    body,
    expect: judge,
  } = twilioLike(probeTarget(route, PUBLIC_URL + PATH), "odd", clock.now());
  const { status, body: answer } = await send(change({ path: PATH, headers, body }));
  const answered = judge(answer);
  return { status, report: answered.ok ? answered.report : undefined };
}

describe("the receiver recognises a self-check by its challenge", () => {
  const lacking = (name: string) => (request: Post) => ({
    ...request,
    headers: Object.fromEntries(Object.entries(request.headers!).filter(([key]) => key !== name)),
  });
  const rows: Record<string, [(request: Post) => Post, object]> = {
    "when it arrives as it was sent": [
      (same) => same,
      { fits: true, method: "POST", target: PATH, generation: 7 },
    ],
    "without the header of the challenge": [lacking(CHECK_HEADER), { fits: true }],
    "without a signature": [lacking("x-twilio-signature"), { fits: false }],
    "at an unknown path": [(one) => ({ ...one, path: "/x" }), { fits: false, target: "/x" }],
    "at the fallback URL": [(one) => ({ ...one, path: "/fallback/team-a/support" }), { fits: false }],
    "with a slash appended to the path, and without the header of the challenge": [
      (one) => ({ ...lacking(CHECK_HEADER)(one), path: `${PATH}/` }),
      { fits: false, target: `${PATH}/` },
    ],
    "without a body": [(one) => ({ ...one, body: "" }), { fits: false, body: "" }],
    "as a GET": [(one) => ({ ...one, method: "GET", body: "" }), { fits: false, method: "GET" }],
    "of another content type": [
      (one) => ({ ...one, headers: { ...one.headers, "content-type": "text/plain" } }),
      { fits: false, contentType: "text/plain" },
    ],
  };
  for (const [name, [change, want]] of Object.entries(rows))
    test(name, async () =>
      expect(await check(change)).toMatchObject({ status: 200, report: { storeTakes: true, ...want } }),
    );

  test("and repeats in its report up to 16 KiB of a body that was changed", async () => {
    const { report } = await check((one) => ({ ...one, body: "x".repeat(100_000) }));
    expect(Buffer.from(report?.body ?? "", "base64").toString()).toBe("x".repeat(16 * 1024));
  });
});

describe("a request with a challenge that is not genuine gets the answer of a request without a challenge", () => {
  const foreign = () =>
    createChallenge({ ...route, checkKey: Buffer.alloc(32) }, clock.now(), "team-a/support");
  const rows: Record<string, [() => Post, status: number]> = {
    "when the challenge is in a header": [
      () => ({ path: PATH, body: "a=b", headers: { [CHECK_HEADER]: foreign().header } }),
      403,
    ],
    "when the challenge is in the body": [() => ({ path: PATH, body: foreign().body }), 403],
    "when the challenge is in header and body, with a signature": [
      () => ({
        path: PATH,
        body: foreign().body,
        headers: { [CHECK_HEADER]: foreign().header, "x-twilio-signature": "x".repeat(28) },
      }),
      403,
    ],
    "when the challenge is garbage": [
      () => ({ path: PATH, body: "a=b", headers: { [CHECK_HEADER]: "x".repeat(900) } }),
      403,
    ],
    "when the request is a GET": [
      () => ({ path: PATH, body: "", method: "GET", headers: { [CHECK_HEADER]: foreign().header } }),
      405,
    ],
    "when the content type is JSON": [
      () => ({
        path: PATH,
        body: "{}",
        headers: { [CHECK_HEADER]: foreign().header, "content-type": "application/json" },
      }),
      415,
    ],
    "when the stream does not exist": [
      () => ({
        path: "/inbound/no/body",
        body: createChallenge({ ...route, stream: "body" }, clock.now()).body,
      }),
      403,
    ],
    "when the challenge is too old": [
      () => ({ path: PATH, body: createChallenge(route, clock.now() - 300_000).body }),
      403,
    ],
  };
  for (const [name, [make, status]] of Object.entries(rows))
    test(name, async () => {
      const answer = await send(make());
      expect([answer.status, answer.body]).toEqual([status, ""]);
    });
});

test("the signature of a self-check is not accepted for a text", async () => {
  const url = PUBLIC_URL + PATH;
  const { headers, pairs } = twilioLike(probeTarget(route, url), "odd", clock.now());
  const text = pairs.filter(([name]) => !name.startsWith("SmsChannel"));
  const { [CHECK_HEADER]: _, ...kept } = headers;
  const body = new URLSearchParams(text as [string, string][]).toString();
  expect((await send({ path: PATH, headers: kept, body })).status).toBe(403);
});

describe("controllers and receivers of different versions", () => {
  test("an older controller reads the answer of this receiver", async () => {
    const challenge = older.createChallenge(route, clock.now());
    const { body } = await send({ path: PATH, body: challenge.body });
    expect(challenge.expect(body)).toEqual({ ok: true, generation: 7 });
  });

  /** Starts a server that stands for several receivers. `isOld` says whether an old receiver answers the next request. */
  async function door(isOld: () => boolean) {
    const state = { refused: 0 };
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString();
      if (!isOld()) {
        const answer = await send({ path: PATH, body, headers: request.headers as Record<string, string> });
        return response.writeHead(answer.status).end(answer.body);
      }
      // An old receiver treats every signed request as a text.
      const isText = request.headers["x-twilio-signature"] !== undefined;
      const fields = new URLSearchParams(body);
      const answer = isText ? undefined : older.answerChallenge(route, fields, clock.now());
      if (answer === undefined) state.refused++;
      return response.writeHead(answer === undefined ? 403 : 200).end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const prober = createProber({ address: `127.0.0.1:${(server.address() as AddressInfo).port}` });
    const target = probeTarget(route, PUBLIC_URL.replace("https", "http") + PATH);
    return {
      state,
      probe: () => prober.probe(target, { long: true }, new AbortController().signal),
      close: async () => {
        await prober.close();
        server.close();
      },
    };
  }
  const pass = { kind: "answered", generation: 7 };

  beforeAll(() => {
    const inbound = PUBLIC_URL.replace("https", "http") + PATH;
    return running.setRoutes([{ ...route, urls: [...route.urls, { ...route.urls[0]!, inbound }] }]);
  });

  test("the self-check of this controller succeeds at older receivers, which treat only one of its requests as a forged text", async () => {
    const { probe, state, close } = await door(() => true);
    for (let i = 0; i < 20; i++) expect(await probe()).toEqual(pass);
    expect(state.refused).toBe(1);
    await close();
  });

  // Each row stands for an ingress that gives each request to the next receiver in turn, or to a random one.
  const mixtures: Record<string, (turn: number) => boolean> = {
    "an old and a new receiver, in turn": (turn) => turn % 2 === 0,
    "one old receiver of three, in turn": (turn) => turn % 3 === 0,
    "one new receiver of three, in turn": (turn) => turn % 3 !== 0,
    "one old receiver of four, in turn": (turn) => turn % 4 === 0,
    "half of the receivers old, in random order": (turn) => (Math.imul(turn, 2_654_435_761) >>> 9) % 2 === 0,
  };
  for (const [name, isOld] of Object.entries(mixtures))
    test(`the self-check of this controller succeeds at receivers of two versions: ${name}`, async () => {
      for (let first = 0; first < 4; first++) {
        let turn = first;
        const { probe, close } = await door(() => isOld(turn++));
        for (let i = 0; i < 15; i++) expect(await probe()).toEqual(pass);
        await close();
      }
    });
});

describe("a self-check reports whether the store takes texts", () => {
  beforeEach(async () => {
    expect(await takesSoon()).toBe(true);
    expect((await send(signedPost(textFields()))).status).toBe(200);
  });

  const takes = async () => (await check()).report?.storeTakes;
  /** Repeats self-checks until the store has connected again after a fault. True when it has. */
  async function takesSoon() {
    for (let attempt = 0; attempt < 20; attempt++) {
      clock.skip(10_000);
      if (await takes()) return true;
    }
    return false;
  }
  const rows = async () =>
    (await inbox.owner.query<{ count: number }>("select count(*)::int as count from smschannel.inbox"))
      .rows[0]?.count;

  for (const name of STORE_FAULTS)
    test(`by making a write that leaves no row, when ${name}`, async () => {
      const before = await rows();
      const fault = storeFault(name, inbox, proxy);
      await fault.begin();
      clock.skip(10_000);
      expect(await takes()).toBe(false);
      await fault.end();
      expect(await takesSoon()).toBe(true);
      expect(await rows()).toBe(before);
    });

  test("by making a write, when a trigger drops rows without an error", async () => {
    const swallow = `create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before insert on smschannel.inbox for each row execute function public.swallow()`;
    await inbox.owner.query(swallow);
    clock.skip(10_000);
    expect(await takes()).toBe(false);
    await inbox.owner.query("drop trigger swallow on smschannel.inbox");
    expect(await takesSoon()).toBe(true);
  });

  test("by the result of the last text, without making a write", async () => {
    const fault = storeFault("the table is locked", inbox, proxy);
    await fault.begin();
    expect(await takes()).toBe(true);
    expect((await send(signedPost(textFields({ MessageSid: newSid() })))).status).toBe(503);
    expect(await takes()).toBe(false);
    await fault.end();
  });
});
