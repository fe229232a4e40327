import { timingSafeEqual } from "node:crypto";
import { type Asked, askedInBody, checkSignature, isGenuine, type Report } from "../routes/challenge.ts";
import type { Route } from "../routes/route.ts";
import { parseTarget, streamPath } from "../routes/urls.ts";
import { signatureUrls } from "../twilio/signature.ts";
import { readFields } from "./fields.ts";
import type { Routes } from "./judge.ts";

/** A request as it arrived, which may be a self-check. */
export interface Arrival {
  method: string;
  /** Path and query of the request. */
  target: string;
  contentType: string | undefined;
  /** True when the request has the method and the content type of a text. */
  isFormPost: boolean;
  /** The value of the X-Twilio-Signature header. */
  signature: string | undefined;
  /** The challenge in the header `CHECK_HEADER`, if there is one. */
  asked: Asked | undefined;
  body: Buffer;
  nowMs: number;
}

/** A genuine challenge for a route, and a report about the request that brought the challenge. */
export interface SelfCheck {
  route: Route;
  asked: Asked;
  report: Omit<Report, "storeTakes">;
}

/**
 * How much of each part of the request a report repeats at most. A self-check is within these limits when it is sent. What a proxy on
 * the way adds may exceed them.
 */
const MOST = { body: 16 * 1024, target: 512, header: 256 };

/**
 * Recognises a self-check by a genuine challenge in its header or its body. Undefined for any other request. Only the challenge decides,
 * so a receiver can still report on a request whose path, method, type, header or body was changed on the way.
 */
export function recogniseCheck(arrival: Arrival, table: Routes): SelfCheck | undefined {
  const asked = arrival.asked ?? askedInBody(arrival.body);
  if (asked === undefined) return undefined;
  const target = parseTarget(arrival.target);
  // For an unknown path, the challenge is checked against the decoy route, which costs the same work: the time of an answer must not tell
  // which streams exist.
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

/**
 * Checks the signature of the self-check over the same bytes as the signature of a text, so that whatever spoils a text's signature spoils
 * this signature as well.
 */
function isSigned({ body, signature }: Arrival, route: Route): boolean {
  const fields = readFields(body);
  if (fields === undefined || signature === undefined) return false;
  const given = Buffer.from(signature, "latin1");
  const isOver = (url: string) =>
    fields.bases(url).some((base) => {
      const wanted = Buffer.from(checkSignature(route, base), "latin1");
      return wanted.length === given.length && timingSafeEqual(wanted, given);
    });
  // The URL itself is tried first: nearly always the signature covers this form, and the other forms of the URL take time to make.
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
