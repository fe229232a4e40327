import type { InboxRow } from "../inbox/rows.ts";
import type { Route, RouteUrls, SignatureKey } from "../routes/route.ts";
import { verify } from "../routes/signature-states.ts";
import { signatureUrls } from "../twilio/signature.ts";
import { type Fields, readFields } from "./fields.ts";
import { hasNumber, type PathKind, rowOf } from "./row.ts";

/** Why a request is nobody's business: the label of `smschannel_signature_failures_total`. Never told to the sender. */
export type RefusalReason = "unknownPath" | "unknownRoute" | "malformed" | "missing" | "mismatch" | "account";

export interface Knock {
  /** The request's target as received: path and query. */
  target: string;
  /** The X-Twilio-Signature header. */
  signature: string | undefined;
  body: Buffer;
  nowMs: number;
}

export type Verdict =
  | { do: "store"; row: InboxRow; route: Route; fingerprint: string }
  | { do: "ignore"; route: Route; fingerprint: string }
  | { do: "refuse"; reason: RefusalReason; route?: Route };

export interface Routes {
  /** `path` is `{namespace}/{stream}`. */
  find(path: string): readonly Route[];
  /** As slow to refuse as the slowest of them. */
  readonly nobody: Route;
}

/** Decides what a request is, from its bytes and the routes alone. */
export function judge(knock: Knock, table: Routes): Verdict {
  const fields = readFields(knock.body);
  if (fields === undefined) return { do: "refuse", reason: "malformed" };
  const target = parseTarget(knock.target);
  const known = target === undefined ? NONE : table.find(target.path);
  // The same work for a path that nobody has: the time it takes must not tell which names exist.
  const routes = known.length > 0 ? known : [table.nobody];
  // Property by property: spreading two objects takes several times as long.
  const { kind, query } = target ?? NOWHERE;
  const { signature, body, nowMs } = knock;
  const ask: Ask = { target: knock.target, signature, body, nowMs, kind, query, fields, routes, hashed: 0 };
  const signer = ask.signature === undefined ? undefined : findSigner(ask, ask.signature);
  if (ask.signature !== undefined && signer === undefined) goOn(ask, ask.signature, table.nobody);
  const [first] = known;
  if (target === undefined) return { do: "refuse", reason: "unknownPath" };
  if (first === undefined) return { do: "refuse", reason: "unknownRoute" };
  if (ask.signature === undefined) return { do: "refuse", reason: "missing", route: first };
  if (signer === undefined) return { do: "refuse", reason: "mismatch", route: first };
  return accept(ask, ask.signature, signer);
}

interface Ask extends Knock {
  kind: PathKind;
  query: string | undefined;
  fields: Fields;
  routes: readonly Route[];
  /** HMACs made so far. */
  hashed: number;
}

interface Signer {
  route: Route;
  fingerprint: string;
}

function accept(
  { kind, query, body, fields }: Ask,
  signature: string,
  { route, fingerprint }: Signer,
): Verdict {
  // Whoever holds one account's token must not speak for another.
  if (fields.get("AccountSid") !== route.accountSid) return { do: "refuse", reason: "account", route };
  const row = rowOf({ kind, route, query, body, fields, signature });
  return row === undefined ? { do: "ignore", route, fingerprint } : { do: "store", row, route, fingerprint };
}

/**
 * The route whose token made the signature. Nearly always there is one route; where a namespace was just replaced two can
 * fit, and the one that has the number is meant.
 */
function findSigner(ask: Ask, signature: string): Signer | undefined {
  let found: Signer | undefined;
  for (const route of ask.routes) {
    const fingerprint = signedBy(route, ask, signature);
    if (fingerprint === undefined) continue;
    const signer = { route, fingerprint };
    if (ask.routes.length === 1 || fits(route, ask.fields)) return signer;
    if (found === undefined || (!isOf(found.route, ask.fields) && isOf(route, ask.fields))) found = signer;
  }
  return found;
}

/** Tries every URL that Twilio may still have, in the forms that it may have signed, with every token that is still good. */
function signedBy(route: Route, ask: Ask, signature: string): string | undefined {
  const { kind, query, fields, nowMs } = ask;
  for (const urls of route.urls)
    for (const form of formsOf(urls, kind))
      for (const base of fields.bases(query === undefined ? form : `${form}?${query}`))
        for (const key of route.keys) {
          if (!isValid(key, nowMs)) continue;
          ask.hashed++;
          if (verify(key, base, signature)) return key.fingerprint;
        }
  return undefined;
}

/** Works on in vain until a refusal has cost what it costs for nobody. */
function goOn(ask: Ask, signature: string, nobody: Route): void {
  const { kind, query, fields } = ask;
  const urls = formsOf(nobody.urls[0]!, kind);
  const bases = fields.bases(query === undefined ? urls[0]! : `${urls[0]!}?${query}`);
  const most = nobody.keys.length * urls.length * bases.length;
  for (; ask.hashed < most; ask.hashed++) verify(nobody.keys[0]!, bases[0]!, signature);
}

const isValid = ({ notAfterMs }: SignatureKey, nowMs: number) =>
  notAfterMs === undefined || nowMs <= notAfterMs;

const isOf = (route: Route, fields: Fields) => route.accountSid === fields.get("AccountSid");
const fits = (route: Route, fields: Fields) =>
  isOf(route, fields) && hasNumber(route, fields.get("To") ?? "");

const forms = new WeakMap<RouteUrls, Map<PathKind, string[]>>();

/** Made when a URL is first used: of 10,000 routes most are silent at any time. */
function formsOf(urls: RouteUrls, kind: PathKind): string[] {
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

interface Target {
  kind: PathKind;
  /** `{namespace}/{stream}` */
  path: string;
  query: string | undefined;
}

/** The last three segments count: PUBLIC_URL may have a path of its own, which an ingress strips or leaves. */
export function parseTarget(target: string): Target | undefined {
  const mark = target.indexOf("?");
  const end = mark === -1 ? target.length : mark;
  const beforeStream = target.lastIndexOf("/", end - 1);
  const beforeNamespace = target.lastIndexOf("/", beforeStream - 1);
  const beforeKind = target.lastIndexOf("/", beforeNamespace - 1);
  if (beforeStream < 1 || beforeNamespace < 1 || beforeKind < 0) return undefined;
  const kind = target.slice(beforeKind + 1, beforeNamespace);
  if (kind !== "inbound" && kind !== "fallback" && kind !== "status") return undefined;
  // Only our own status callbacks have a query; it is part of what was signed, as it was received.
  const query = kind === "status" && mark !== -1 ? target.slice(mark + 1) : undefined;
  // A header of Twilio's is ASCII; node gives other bytes as Latin-1, which no signature of ours covers.
  if (query !== undefined && !/^[\x21-\x7e]{0,2048}$/.test(query)) return undefined;
  return { kind, path: target.slice(beforeNamespace + 1, end), query };
}

const NONE: readonly Route[] = [];
const NOWHERE: Target = { kind: "inbound", path: "", query: undefined };
