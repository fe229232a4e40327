/**
 * Names what was changed between the request that the self-check sent and the request that arrived. A signature covers
 * every byte of the form and the URL, so a proxy that "cleans" requests makes every text look forged. Neither Twilio
 * nor the receiver can say why. The messages that are made here name the cause, so that a user can report it to the
 * people who run the proxy.
 */

import type { Report } from "../../routes/challenge.ts";
import { ownPathOf } from "../../routes/urls.ts";
import { type Pair, parseForm } from "../../twilio/form.ts";
import { type CheckRequest, isOfSomeTexts } from "./request.ts";

/** One change, as the end of a sentence that begins with "on the way to the receiver". */
export interface Alteration {
  what: string;
  /** Whether the change affects only some texts: a text without the content that is changed still gets through. */
  some: boolean;
}

/** The request as it was sent. */
export type Sent = Pick<CheckRequest, "headers" | "pairs" | "body"> & { url: string };

/**
 * Names the differences between the request as it was sent and as the receiver got it. The order is fixed and no
 * values are named, so that the same fault gives the same text and the status is not written again each time. Empty
 * when no difference can be named. Pure.
 */
export function alterations(sent: Sent, report: Report): Alteration[] {
  const all = (what: string | undefined): Alteration[] => (what === undefined ? [] : [{ what, some: false }]);
  return [
    ...all(methodChange(report)),
    ...all(pathChange(sent.url, report.target)),
    ...all(signatureChange(sent.headers["x-twilio-signature"], report.signature)),
    ...all(typeChange(report.contentType)),
    ...bodyChanges(sent, report),
  ];
}

/** The change of the method, if any: a redirect on the way turns POST into GET. */
const methodChange = ({ method }: Report) => (method === "POST" ? undefined : `POST becomes ${word(method)}`);

/**
 * The change of the path, if any. Nothing is wrong if something was put in front of the path or a query was added: the
 * signature is verified over the URL as it is configured.
 */
function pathChange(url: string, target: string): string | undefined {
  const wanted = ownPathOf(url);
  const path = target.replace(/\?.*$/s, "");
  if (path === `/${wanted}` || path.endsWith(`/${wanted}`)) return undefined;
  if (path.replace(/\/+$/, "").endsWith(`/${wanted}`)) return "a slash is appended to the path";
  if (path.toLowerCase().endsWith(`/${wanted}`)) return "the path's letters are changed";
  return `the path becomes ${word(path)}`;
}

/** The change of the signature header, if any. The receiver refuses a text without the right signature. */
function signatureChange(sent: string | undefined, arrived: string | undefined): string | undefined {
  if (arrived === undefined || arrived === "") return "the header X-Twilio-Signature is removed";
  return arrived === sent ? undefined : "the header X-Twilio-Signature is changed";
}

/**
 * The change of the content type, if any. A parameter such as a charset may be added, because only the type decides
 * how the body is read.
 */
function typeChange(arrived: string | undefined): string | undefined {
  if (arrived === undefined) return "the header Content-Type is removed";
  const type = arrived.replace(/;.*$/s, "").trim().toLowerCase();
  return type === "application/x-www-form-urlencoded" ? undefined : `the content type becomes ${word(type)}`;
}

/** The changes of the body: first those of the whole body, then those of single fields. */
function bodyChanges({ pairs, body }: Sent, report: Report): Alteration[] {
  if (report.body === undefined) return [];
  const bytes = Buffer.from(report.body, "base64");
  if (bytes.equals(Buffer.from(body))) return [];
  if (bytes.length === 0) return [{ what: "the body is removed", some: false }];
  const arrived = parseForm(bytes)?.pairs ?? [];
  const names = new Set(arrived.map(([name]) => name));
  if (!pairs.some(([name]) => names.has(name))) {
    const lower = pairs.every(([name]) => names.has(name.toLowerCase()));
    return [
      { what: lower ? "the fields' names are changed" : "the body becomes something else", some: false },
    ];
  }
  if (bytes.length < body.length && body.startsWith(bytes.toString("latin1")))
    return [{ what: "the body is cut off", some: true }];
  return fieldChanges(pairs, arrived);
}

/** The changes of the fields that differ from what was sent. Each kind of change is named once. */
function fieldChanges(sent: readonly Pair[], arrived: readonly Pair[]): Alteration[] {
  const found = new Map<string, boolean>();
  const names = new Set(sent.map(([name]) => name));
  for (const name of names) {
    const [before, after] = [valuesOf(sent, name), valuesOf(arrived, name)];
    if (same(before, after)) continue;
    const what = valueChange(before, after);
    found.set(what, (found.get(what) ?? true) && isOfSomeTexts(name));
  }
  if (arrived.some(([name]) => !names.has(name))) found.set(WORDS.added, false);
  return Object.values(WORDS).flatMap((what) => (found.has(what) ? [{ what, some: found.get(what)! }] : []));
}

const valuesOf = (pairs: readonly Pair[], name: string) =>
  pairs.filter(([candidate]) => candidate === name).map(([, value]) => value);

/** Compares two lists of values as a signature does: the order does not matter, and neither do repeated values. */
const same = (a: readonly string[], b: readonly string[]) =>
  JSON.stringify([...new Set(a)].sort()) === JSON.stringify([...new Set(b)].sort());

/** What can happen to a field on the way, in the order in which a message lists it. */
const WORDS = {
  empty: "empty fields are dropped",
  dropped: "fields are dropped",
  merged: "fields of the same name are merged",
  trimmed: "blanks at the end of a value are removed",
  emoji: "emoji are removed or replaced",
  accents: "letters with accents are changed",
  lines: "line breaks are changed",
  plus: "plus signs and blanks are confused",
  decoded: "values are decoded twice",
  escaped: "values are escaped",
  letterCase: "capitals and small letters are changed",
  changed: "values are changed",
  added: "fields are added",
} as const;

/** Names the change of one field. */
function valueChange(before: readonly string[], after: readonly string[]): string {
  if (after.length === 0) return before[0] === "" ? WORDS.empty : WORDS.dropped;
  if (before.length > 1) return WORDS.merged;
  const [sent, arrived] = [before[0]!, after[0]!];
  return RULES.find(([, holds]) => holds(sent, arrived))?.[0] ?? WORDS.changed;
}

/**
 * Rules that recognise what was changed on the way, from the value of a field as it was sent and as it arrived. The
 * first rule that matches wins, so narrower rules come first.
 */
const RULES: readonly [what: string, holds: (sent: string, arrived: string) => boolean][] = [
  [WORDS.trimmed, (sent, arrived) => arrived === sent.trim()],
  [WORDS.lines, (sent, arrived) => sent.includes("\n") && withoutBlanks(sent) === withoutBlanks(arrived)],
  [WORDS.escaped, (sent, arrived) => unescaped(arrived) === sent],
  [WORDS.emoji, (sent, arrived) => EMOJI.test(sent) && sameInAscii(sent, arrived)],
  [WORDS.accents, (sent, arrived) => BEYOND_ASCII.test(sent) && sameInAscii(sent, arrived)],
  [WORDS.plus, (sent, arrived) => sent.replaceAll("+", " ") === arrived.replaceAll("+", " ")],
  [WORDS.decoded, (sent, arrived) => arrived === decoded(sent)],
  [WORDS.letterCase, (sent, arrived) => sent.toLowerCase() === arrived.toLowerCase()],
];

const EMOJI = /\p{Extended_Pictographic}/u;
const BEYOND_ASCII = /[^\0-\x7f]/;
const withoutBlanks = (text: string) => text.replace(/\s+/g, "");
/**
 * Whether two texts are equal when characters beyond ASCII are ignored. Other software may replace such a character (by
 * a question mark, say), remove it, or keep only the letter under an accent. With all of that the texts count as equal.
 */
const sameInAscii = (a: string, b: string) =>
  asciiOf(a) === asciiOf(b) || asciiOf(a.normalize("NFD")) === asciiOf(b.normalize("NFD"));
const asciiOf = (text: string) => text.replace(/[^\x21-\x7e]+|\?/g, "");
/** Undoes HTML entities and backslashes before quotes. Some software adds them as "protection" against injections. */
const unescaped = (text: string) =>
  text
    .replace(/&#(?:x([0-9a-f]+)|([0-9]+));/gi, (_, hex, decimal) =>
      String.fromCodePoint(
        Math.min(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16), 0x10ffff),
      ),
    )
    .replaceAll("&apos;", "'")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replace(/\\(['"])/g, "$1");

/** Percent-decodes a value once more, like a proxy that decodes a form and forgets to encode it again. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

/**
 * A short piece of the request that arrived, safe for a status. Only a limited number of plain characters is kept,
 * because anything on the way can put any text into the request.
 */
const word = (text: string) => text.replace(/[^\w.~!$&'()*+,;=:@/%-]/g, "").slice(0, 120) || "nothing";
