import type { Route, RouteUrls, SignatureKey } from "../routes/route.ts";
import { verify, verifyInSteps } from "../routes/signature-states.ts";
import type { UrlKind } from "../routes/urls.ts";
import { signatureUrls } from "../twilio/signature.ts";
import type { RequestFields } from "./fields.ts";
import { hasNumber } from "./row.ts";

/** A signature, and everything that is needed to find out who made it. */
export interface Signed {
  signature: string;
  kind: UrlKind;
  query: string | undefined;
  fields: RequestFields;
  routes: readonly Route[];
  nowMs: number;
}

/** The route and the token that made a signature. */
export interface Signer {
  route: Route;
  fingerprint: string;
}

/**
 * Finds the route whose token made the signature. Undefined when no token did. Nearly always there is only one route. While a namespace is
 * being replaced, two routes can fit. Then the route that has the number to which the text was sent is preferred. A refusal always costs as
 * many HMACs as a check against the decoy.
 */
export function findSigner(signed: Signed, decoy: Route): Signer | undefined {
  let found: Signer | undefined;
  let hashed = 0;
  for (const { route, key, base } of candidates(signed)) {
    hashed++;
    if (!verify(key, base, signed.signature)) continue;
    found = preferred(found, { route, fingerprint: key.fingerprint }, signed);
    if (isCertain(found, signed)) return found;
  }
  if (found === undefined)
    for (const { key, base } of decoyCandidates(signed, decoy, hashed)) verify(key, base, signed.signature);
  return found;
}

/** Finds the signer like `findSigner`, but in steps, for large bodies. Yields the number of bytes hashed in each step. */
export function* findSignerInSteps(signed: Signed, decoy: Route): Generator<number, Signer | undefined> {
  let found: Signer | undefined;
  let hashed = 0;
  for (const { route, key, base } of candidates(signed)) {
    hashed++;
    if (!(yield* verifyInSteps(key, base, signed.signature))) continue;
    found = preferred(found, { route, fingerprint: key.fingerprint }, signed);
    if (isCertain(found, signed)) return found;
  }
  if (found === undefined)
    for (const { key, base } of decoyCandidates(signed, decoy, hashed))
      yield* verifyInSteps(key, base, signed.signature);
  return found;
}

interface SigningCandidate {
  route: Route;
  key: SignatureKey;
  base: Uint8Array;
}

/**
 * Yields all that Twilio may have signed: every URL that a number may still have, in every spelling, with every token still accepted.
 */
function* candidates({ routes, kind, query, fields, nowMs }: Signed): Generator<SigningCandidate> {
  for (const route of routes)
    for (const urls of route.urls)
      for (const form of formsOf(urls, kind))
        for (const base of fields.bases(query === undefined ? form : `${form}?${query}`))
          for (const key of route.keys) if (isValid(key, nowMs)) yield { route, key, base };
}

/**
 * Yields additional checks until a refusal has cost as many HMACs as a check against the decoy, so that all refusals take the same time.
 * The results of these checks are not used. `hashed` is the number of HMACs so far.
 */
function* decoyCandidates(
  { kind, query, fields }: Signed,
  decoy: Route,
  hashed: number,
): Generator<Omit<SigningCandidate, "route">> {
  const urls = formsOf(decoy.urls[0]!, kind);
  const bases = fields.bases(query === undefined ? urls[0]! : `${urls[0]!}?${query}`);
  const most = decoy.keys.length * urls.length * bases.length;
  for (let n = hashed; n < most; n++) yield { key: decoy.keys[0]!, base: bases[0]! };
}

function preferred(found: Signer | undefined, other: Signer, { fields }: Signed): Signer {
  if (found === undefined || fits(other.route, fields)) return other;
  return !isOf(found.route, fields) && isOf(other.route, fields) ? other : found;
}

const isCertain = ({ route }: Signer, { routes, fields }: Signed) =>
  routes.length === 1 || fits(route, fields);

const isValid = ({ notAfterMs }: SignatureKey, nowMs: number) =>
  notAfterMs === undefined || nowMs <= notAfterMs;

const isOf = (route: Route, fields: RequestFields) => route.accountSid === fields.get("AccountSid");
const fits = (route: Route, fields: RequestFields) =>
  isOf(route, fields) && hasNumber(route, fields.get("To") ?? "");

const forms = new WeakMap<RouteUrls, Map<UrlKind, string[]>>();

/**
 * The spellings of a URL that Twilio may have signed. They are made when the URL is first used, because most of 10,000 routes get no texts
 * at a given time.
 */
function formsOf(urls: RouteUrls, kind: UrlKind): string[] {
  let known = forms.get(urls);
  if (known === undefined) {
    known = new Map();
    forms.set(urls, known);
  }
  let made = known.get(kind);
  if (made === undefined) {
    made = signatureUrls(urls[kind]);
    known.set(kind, made);
  }
  return made;
}
