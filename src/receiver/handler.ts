import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";
import type { InboxRow } from "../inbox/rows.ts";
import type { InboxWriter, WriteOutcome } from "../inbox/writer.ts";
import { answerTo, askedInHeader, CHECK_HEADER } from "../routes/challenge.ts";
import type { Route } from "../routes/route.ts";
import { answer, isRefusal, type RequestResult } from "./answers.ts";
import { type BodyBudget, type NoBody, readBody } from "./body.ts";
import type { EvidenceRecorder } from "./evidence.ts";
import { FieldsReader } from "./fields.ts";
import type { HttpServer } from "./http-server.ts";
import {
  type Judgement,
  judge,
  judgeInSteps,
  judgeUnread,
  type ReceivedRequest,
  type RefusalReason,
  SMALL_BODY,
} from "./judge.ts";
import type { ReceiverMetrics } from "./metrics.ts";
import type { RefusalPace } from "./refusal-pace.ts";
import type { RouteTable } from "./route-table.ts";
import { recogniseCheck, type SelfCheck } from "./self-check.ts";
import type { SlowLane } from "./slow-lane.ts";
import type { StoreSeen } from "./store-seen.ts";

export interface HandlerOptions {
  routes: RouteTable;
  writer: Pick<InboxWriter, "write">;
  storeSeen: Pick<StoreSeen, "note" | "takes">;
  evidence: Pick<EvidenceRecorder, "accepted" | "refused">;
  metrics: ReceiverMetrics;
  clock: Clock;
  budget: BodyBudget;
  pace: Pick<RefusalPace, "pass">;
  cut: HttpServer["cut"];
  /** The slow lane, in which large bodies are judged in steps. */
  lane: Pick<SlowLane<Judgement>, "add">;
}

type Finish = (result: RequestResult, body?: string) => void;

/** A request that is being answered. */
interface OpenRequest {
  received: ReceivedRequest;
  response: ServerResponse;
  /** The time at which the head of the request arrived. */
  startMs: number;
  finish: Finish;
}

/** The options and objects that all requests share. */
interface Context extends HandlerOptions {
  /** The reader that only the slow lane uses, because the slow lane keeps one body over several turns of the event loop. */
  reader: FieldsReader;
}

/**
 * Makes the handler of HTTP requests. It checks method, content type and size, then route and signature, then the account, and then stores
 * the text. The first check that fails decides the answer.
 */
export function createHandler(options: HandlerOptions): RequestListener {
  const { clock, metrics, budget, routes, pace } = options;
  const context: Context = { ...options, reader: new FieldsReader() };
  return (request, response) => {
    const startMs = clock.monotonic();
    const finish: Finish = (result, body) => {
      metrics.result(result);
      if (isRefusal(result)) pace.pass(() => answer(response, result));
      else answer(response, result, body);
    };
    const wrong = wrongKind(request);
    const read = (body: Buffer | NoBody) => {
      // The sender has gone away, so no answer can be sent.
      if (body === "aborted") return metrics.result("aborted");
      if (typeof body === "string") return finish(wrong ?? body);
      // Before all routes are loaded, an unknown path may still belong to a route. So the answer is 503, after which Twilio tries again.
      if (!routes.loaded) return finish(wrong ?? "routesNotLoaded");
      // A self-check is answered before a wrong method or type is refused: the controller must learn that something on the way changed
      // them.
      const check = checkIn(request, body, wrong === undefined, options);
      if (check !== undefined) void prove(check, finish, options);
      else if (wrong !== undefined) finish(wrong);
      else decide({ received: receivedOf(request, body, clock.now()), response, startMs, finish }, context);
    };
    // A body that is not needed is read as well: otherwise Node would read it all the same, and keep each piece.
    readBody(request, {
      budget,
      // A self-check has a header of its own. We need its body even if something on the way changed its method or type, to report what was
      // changed.
      keep: wrong === undefined || request.headers[CHECK_HEADER] !== undefined,
      done: read,
      scattered: () => options.cut("scattered", request.socket),
    });
  };
}

function wrongKind(request: IncomingMessage): "badMethod" | "badType" | undefined {
  if (request.method !== "POST") return "badMethod";
  return isForm(request.headers["content-type"]) ? undefined : "badType";
}

function checkIn(
  request: IncomingMessage,
  body: Buffer,
  isFormPost: boolean,
  { clock, routes }: HandlerOptions,
): SelfCheck | undefined {
  const { method = "", url = "", headers } = request;
  return recogniseCheck(
    {
      method,
      target: url,
      contentType: headers["content-type"],
      isFormPost,
      signature: signatureOf(request),
      asked: askedInHeader(headers[CHECK_HEADER]),
      body,
      nowMs: clock.now(),
    },
    routes,
  );
}

async function prove(
  { route, asked, report }: SelfCheck,
  finish: Finish,
  { storeSeen }: HandlerOptions,
): Promise<void> {
  finish("selfCheck", answerTo(route, asked, { ...report, storeTakes: await storeSeen.takes() }));
}

const receivedOf = (request: IncomingMessage, body: Buffer, nowMs: number): ReceivedRequest => ({
  target: request.url ?? "",
  signature: signatureOf(request),
  body,
  nowMs,
});

function decide(open: OpenRequest, context: Context): void {
  const { received, response, finish } = open;
  const { routes, lane, reader } = context;
  const isSmall = received.body.length <= SMALL_BODY;
  const judgement = isSmall ? judge(received, routes) : judgeUnread(received, routes);
  if (judgement !== undefined) actOn(judgement, open, context);
  else
    lane.add({
      bytes: received.body.length,
      work: () => judgeInSteps(received, routes, reader),
      isGone: () => response.destroyed,
      done: (judgement) => (judgement === "crowded" ? finish(judgement) : actOn(judgement, open, context)),
    });
}

function actOn(judgement: Judgement, open: OpenRequest, options: HandlerOptions): void {
  const { finish } = open;
  const { nowMs } = open.received;
  switch (judgement.do) {
    case "refuse":
      refuse(judgement.reason, judgement.route, nowMs, options);
      finish("refused");
      break;
    case "ignore":
      options.evidence.accepted(judgement.route, judgement.fingerprint, nowMs);
      finish("notMessage");
      break;
    case "store":
      options.evidence.accepted(judgement.route, judgement.fingerprint, nowMs);
      store(judgement.row, open, options);
  }
}

function refuse(
  reason: RefusalReason,
  route: Route | undefined,
  nowMs: number,
  { metrics, evidence }: HandlerOptions,
): void {
  metrics.refusal(reason);
  if (route !== undefined) evidence.refused(route, reason, nowMs);
}

function store(
  row: InboxRow,
  { startMs, finish }: OpenRequest,
  { writer, storeSeen, metrics, clock }: HandlerOptions,
): void {
  // The answer waits until the row is durable, because Twilio forgets a text after a 200.
  writer.write(row, (outcome) => {
    storeSeen.note(outcome === "stored" || outcome === "raw");
    finish(resultOf(row, outcome));
    if (outcome === "stored" || outcome === "raw") metrics.acknowledged((clock.monotonic() - startMs) / 1000);
  });
}

function resultOf(row: InboxRow, outcome: WriteOutcome): RequestResult {
  if (outcome === "late") return "storeLate";
  if (outcome === "overloaded" || outcome === "notKept") return outcome;
  if (outcome === "raw" || row.kind === "raw") return "raw";
  return row.kind === "unrouted" ? "unrouted" : "stored";
}

/**
 * The X-Twilio-Signature header of a request. Node joins repeated headers with a comma. No signature has a comma, so a request with two
 * signatures is refused.
 */
function signatureOf(request: IncomingMessage): string | undefined {
  const value = request.headers["x-twilio-signature"];
  return Array.isArray(value) ? value.join() : value;
}

const FORM = "application/x-www-form-urlencoded";

/** True for the content type of a form. Upper case and parameters such as a charset are ignored. */
function isForm(type: string | undefined): boolean {
  if (type === undefined) return false;
  if (type === FORM) return true;
  const end = type.indexOf(";");
  return (end === -1 ? type : type.slice(0, end)).trim().toLowerCase() === FORM;
}
