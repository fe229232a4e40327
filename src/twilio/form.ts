/** One field of a form as received: name and value, decoded. */
export type Pair = readonly [name: string, value: string];

export interface Form {
  /** In the order received, duplicates and empty values included; what is no UTF-8 is U+FFFD, as in URLSearchParams. */
  readonly pairs: readonly Pair[];
  /**
   * The same with each byte as one character (latin1), there only when something is no UTF-8. Nobody documents what Twilio
   * would sign then, the bytes or their replacement, so a receiver tries both rather than lose a text.
   */
  readonly bytes: readonly Pair[] | undefined;
}

/** A text of Twilio's has some 25 fields, with ten pictures 45; beyond this somebody plays with us. */
const MOST_PAIRS = 1000;

/**
 * Parses an `application/x-www-form-urlencoded` body as the URL standard does (`+` is a blank, a lone `%` stands for itself,
 * empty parts are skipped). Undefined when it has more than 1,000 fields. The caller bounds the size.
 */
export function parseForm(body: Uint8Array): Form | undefined {
  const raw = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
  const pairs: Pair[] = [];
  const parts: [string, string][] = [];
  for (let at = 0; at < raw.length; ) {
    const ampersand = raw.indexOf("&", at);
    const end = ampersand < 0 ? raw.length : ampersand;
    if (end > at) {
      if (pairs.length === MOST_PAIRS) return undefined;
      const equals = raw.indexOf("=", at);
      const part: [string, string] =
        equals < 0 || equals > end
          ? [raw.slice(at, end), ""]
          : [raw.slice(at, equals), raw.slice(equals + 1, end)];
      parts.push(part);
      pairs.push([decode(part[0]), decode(part[1])]);
    }
    at = end + 1;
  }
  return { pairs, bytes: pairs.some(hasReplacement) ? exactBytes(parts) : undefined };
}

/** The value of the first field of that name. */
export function fieldOf(pairs: readonly Pair[], name: string): string | undefined {
  return pairs.find(([candidate]) => candidate === name)?.[1];
}

const escaped = /[%+\u0080-\u00ff]/;
const nonAscii = /[\u0080-\u00ff]/;

function decode(text: string): string {
  if (!escaped.test(text)) return text;
  if (!nonAscii.test(text)) {
    try {
      return decodeURIComponent(text.replaceAll("+", " "));
    } catch {
      // A lone % or bytes that are no UTF-8: decoded byte by byte below.
    }
  }
  return Buffer.from(unescapeBytes(text), "latin1").toString("utf8");
}

/** Percent-decoding alone: each character of the result is one byte. */
function unescapeBytes(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const hasReplacement = ([name, value]: Pair) => value.includes("\ufffd") || name.includes("\ufffd");

/** A U+FFFD that was sent as such is good UTF-8 and needs no second reading. */
function exactBytes(parts: [string, string][]): Pair[] | undefined {
  const bytes = parts.map(([name, value]): Pair => [unescapeBytes(name), unescapeBytes(value)]);
  return bytes.flat().every(isUtf8) ? undefined : bytes;
}

const isUtf8 = (binary: string) => {
  const buffer = Buffer.from(binary, "latin1");
  return Buffer.from(buffer.toString("utf8"), "utf8").equals(buffer);
};
