import type { Route, RouteUrls, SignatureKey } from "../routes/route.ts";
import { verify, verifyInSteps } from "../routes/signature-states.ts";
import type { UrlKind } from "../routes/urls.ts";
import { signatureUrls } from "../twilio/signature.ts";
import type { RequestFields } from "./fields.ts";
import { hasNumber } from "./row.ts";

export interface Signed {
  signature: string;
  kind: UrlKind;
  query: string | undefined;
  fields: RequestFields;
  routes: readonly Route[];
  nowMs: number;
}

export interface Signer {
  route: Route;
  fingerprint: string;
}

/**
 * The route whose token made the signature; undefined when none did. Nearly always there is only one route. While a namespace is
 * being
 * replaced two can fit; then the one with the number is meant. A refusal always costs as many HMACs as the decoy has.
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

/** The same in steps, for large bodies. Yields the number of bytes hashed in each step. */
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

/** Every URL that a number may still have, in every form that Twilio may have signed, with every token that is still accepted. */
function* candidates({ routes, kind, query, fields, nowMs }: Signed): Generator<SigningCandidate> {
  for (const route of routes)
    for (const urls of route.urls)
      for (const form of formsOf(urls, kind))
        for (const base of fields.bases(query === undefined ? form : `${form}?${query}`))
          for (const key of route.keys) if (isValid(key, nowMs)) yield { route, key, base };
}

/** As many more checks as the decoy would have cost, so that all refusals take the same time. Their results are not used. */
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

/** Made when a URL is first used: most of 10,000 routes get no texts at a given time. */
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
