import { timingSafeEqual } from "node:crypto";
import { type Asked, askedInBody, checkSignature, isGenuine, type Report } from "../routes/challenge.ts";
import type { Route } from "../routes/route.ts";
import { parseTarget, streamPath } from "../routes/urls.ts";
import { signatureUrls } from "../twilio/signature.ts";
import { readFields } from "./fields.ts";
import type { Routes } from "./judge.ts";

/** A request as it arrived. */
export interface Arrival {
  method: string;
  /** Path and query. */
  target: string;
  contentType: string | undefined;
  /** Would its method and content type do for a text? */
  isFormPost: boolean;
  /** The X-Twilio-Signature header. */
  signature: string | undefined;
  /** The challenge that a header brought, if one did. */
  asked: Asked | undefined;
  body: Buffer;
  nowMs: number;
}

/** A genuine challenge for this route, and what is to be said of the request that brought it. */
export interface SelfCheck {
  route: Route;
  asked: Asked;
  report: Omit<Report, "storeTakes">;
}

/** What a report repeats of the request: all of a self-check, and no more of what something on the way made of it. */
const MOST = { body: 16 * 1024, target: 512, header: 256 };

/**
 * The self-check that a request is; undefined for everything else. The challenge alone decides, and both places that it may
 * stand in are looked at, so that a request whose path, method, type, header or body was changed on the way can still be told of.
 */
export function recogniseCheck(arrival: Arrival, table: Routes): SelfCheck | undefined {
  const asked = arrival.asked ?? askedInBody(arrival.body);
  if (asked === undefined) return undefined;
  const target = parseTarget(arrival.target);
  // For a path that nobody has the same work is done: the time that it takes must not tell which names exist.
  const route =
    prover(candidates(table, target?.path), asked, arrival.nowMs) ??
    prover(candidates(table, asked.path), asked, arrival.nowMs);
  if (route === undefined) return undefined;
  const leadsThere = target?.kind === "inbound" && target.path === streamPath(route.namespace, route.stream);
  const fits = arrival.isFormPost && leadsThere && isSigned(arrival, route);
  return { route, asked, report: reportOf(arrival, route, fits) };
}

function candidates(table: Routes, path: string | undefined): readonly Route[] {
  const known = path === undefined ? [] : table.find(path);
  return known.length > 0 ? known : [table.decoy];
}

const prover = (routes: readonly Route[], asked: Asked, nowMs: number) =>
  routes.find((route) => isGenuine(route, asked, nowMs));

/** The same bytes that a text's signature is made over, so that what spoils one spoils the other, and nothing else does. */
function isSigned({ body, signature }: Arrival, route: Route): boolean {
  const fields = readFields(body);
  if (fields === undefined || signature === undefined) return false;
  const given = Buffer.from(signature, "latin1");
  const isOver = (url: string) =>
    fields.bases(url).some((base) => {
      const wanted = Buffer.from(checkSignature(route, base), "latin1");
      return wanted.length === given.length && timingSafeEqual(wanted, given);
    });
  // Nearly always it is the URL as it is, and its other forms need not be made.
  return route.urls.some(({ inbound }) => isOver(inbound) || signatureUrls(inbound).some(isOver));
}

function reportOf({ method, target, contentType, signature, body }: Arrival, route: Route, fits: boolean) {
  return {
    generation: route.generation,
    fits,
    method,
    target: target.slice(0, MOST.target),
    ...(contentType === undefined ? {} : { contentType: contentType.slice(0, MOST.header) }),
    ...(signature === undefined ? {} : { signature: signature.slice(0, MOST.header) }),
    ...(fits ? {} : { body: body.subarray(0, MOST.body).toString("base64") }),
  };
}
