/**
 * This file parses the body of a webhook. Signatures are made over the decoded fields as Twilio reads them, so the parser must read every
 * body, however odd, exactly as Twilio's libraries do. The parser faces the internet, so its time must be in proportion to the size of the
 * body.
 */

import { isUtf8 } from "node:buffer";

/** One field of a form as it was received: its decoded name and value. */
export type Pair = readonly [name: string, value: string];

/** A webhook body as its parsed fields. */
export interface Form {
  /**
   * The fields in the order received, with duplicates and empty values. Bytes that are not UTF-8 become U+FFFD, as in URLSearchParams.
   */
  readonly pairs: readonly Pair[];
  /**
   * The fields of `pairs` with each byte as one character (latin1), present only when the body is not UTF-8. It is not documented whether
   * Twilio would sign such bytes or their replacement, so a receiver tries both rather than lose a text.
   */
  readonly bytes: readonly Pair[] | undefined;
}

/**
 * How many fields a body may have. A text of Twilio has some 25 fields, and a text with ten pictures has 45. A body with more fields than
 * this limit is an attack.
 */
const MOST_PAIRS = 1000;

/**
 * Parses an `application/x-www-form-urlencoded` body as the URL standard does (`+` is a blank, a lone `%` stands for itself, empty parts
 * are skipped). Undefined when the body has more than `mostPairs` fields. The caller must bound the size of the body.
 */
export function parseForm(body: Uint8Array, mostPairs = MOST_PAIRS): Form | undefined {
  const raw = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
  const parts: [string, string][] = [];
  for (let at = 0; at < raw.length; ) {
    const ampersand = raw.indexOf("&", at);
    const end = ampersand < 0 ? raw.length : ampersand;
    if (end > at) {
      if (parts.length === mostPairs) return undefined;
      parts.push(partOf(raw.slice(at, end)));
    }
    at = end + 1;
  }
  const bytes = parts.map(([name, value]) => [unescaped(name), unescaped(value)] as const);
  const pairs = bytes.map(([name, value]): Pair => [textOf(name), textOf(value)]);
  return { pairs, bytes: bytes.flat().every(isGood) ? undefined : bytes.map(exactBytes) };
}

/** Splits a field into name and value. A field without `=` is a name with an empty value. */
function partOf(field: string): [name: string, value: string] {
  const equals = field.indexOf("=");
  return equals < 0 ? [field, ""] : [field.slice(0, equals), field.slice(equals + 1)];
}

/** The value of the first field with this name. */
export function fieldOf(pairs: readonly Pair[], name: string): string | undefined {
  return pairs.find(([candidate]) => candidate === name)?.[1];
}

const escaped = /[%+\u0080-\u00ff]/;

/** Percent-decodes a text. Usually there is nothing to decode, and the text is returned as it is. Otherwise returns the decoded bytes. */
function unescaped(text: string): string | Buffer {
  if (!escaped.test(text)) return text;
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // The text is decoded byte by byte: `decodeURIComponent` throws for bytes that are not UTF-8, and a thousand throws took 20 ms.
    const value = code === PERCENT ? hexAt(text, at + 1) * 16 + hexAt(text, at + 2) : -1;
    if (value >= 0) at += 2;
    bytes[length++] = value >= 0 ? value : code === PLUS ? BLANK : code;
  }
  return bytes.subarray(0, length);
}

const [PLUS, PERCENT, BLANK] = [0x2b, 0x25, 0x20];

/**
 * The value of a hexadecimal digit. Any other character has a value so far below zero that the sum with a second digit stays negative.
 */
function hexAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1000;
}

const textOf = (part: string | Buffer) => (typeof part === "string" ? part : part.toString("utf8"));
const isGood = (part: string | Buffer) => typeof part === "string" || isUtf8(part);
const exactBytes = ([name, value]: readonly [string | Buffer, string | Buffer]): Pair => [
  name.toString("latin1"),
  value.toString("latin1"),
];
