/**
 * Recognises one way in which a value can be spoiled on its way into a Secret. Returns a sentence about it that holds no part of the
 * value. Undefined when the value shows no sign of it.
 */
type Sign = (value: string) => string | undefined;

const says =
  (pattern: RegExp, sentence: string): Sign =>
  (value) =>
    pattern.test(value) ? sentence : undefined;

// biome-ignore lint/suspicious/noControlCharactersInRegex: this pattern searches for control characters
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * The signs are checked in this order: a value in quotes may also contain blanks, and the first matching sentence is the one that helps.
 */
const SIGNS: readonly Sign[] = [
  says(
    /(?:[^\0]\0){3}/,
    "is UTF-16, which some shells write into files: save it as UTF-8 without a byte order mark",
  ),
  says(/^\uFEFF/, "begins with a byte order mark: save the file without one"),
  says(
    /\uFFFD/,
    "is not UTF-8 text: write the value itself, encoded in base64 under data or plain under stringData",
  ),
  says(
    /^(?:\{\{|\$\{|\$\(|<)/,
    "is a placeholder that was not replaced by its value: check the tool that should have replaced it",
  ),
  base64Twice,
  says(/^[\s\u200B-\u200D\u2060]*[{[]\s*["{[\]}]/, "is JSON: write only the value itself"),
  says(
    /^\s*(?:export\s+)?["']?[A-Za-z_][A-Za-z0-9_.-]*["']?\s*[=:]\s*\S/,
    "is written as NAME=value: write only what comes after the name",
  ),
  says(
    /^\s*["'`\u2018-\u201F\u00AB\u00BB]|["'`\u2018-\u201F\u00AB\u00BB][,;]?\s*$/,
    "is in quotes: write it without the quotes",
  ),
  tooLong,
  says(
    /^[*•.x…]{6,}$/i,
    "is a mask such as ********, not the value: show the value in Twilio's console before you copy it",
  ),
  says(/[\r\n]/, "is not one line of text: write only the value itself"),
  invisible,
  says(/^ | $/, "begins or ends with a blank: remove it"),
  says(/\s/, "has a blank in it: write only the value itself"),
  says(CONTROL, "has a control character in it: write only the value itself"),
  says(/[,;]$/, "ends with a comma or a semicolon: remove it"),
  notAscii,
];

/**
 * Says what is wrong with a value that was copied, quoted or encoded once too often. The result is the end of a sentence that begins with
 * the name of the value. Undefined when nothing is known to be wrong, as for every value that Twilio makes.
 */
export function spoiled(value: string): string | undefined {
  for (const sign of SIGNS) {
    const sentence = sign(value);
    if (sentence !== undefined) return sentence;
  }
  return undefined;
}

/**
 * How many characters a value may have. Values that Twilio makes have 32 or 34 characters. The value is recorded in a Secret that the
 * routes of other tenants share, so its length must be bounded.
 */
const LONGEST = 256;

function tooLong(value: string): string | undefined {
  return value.length > LONGEST
    ? `has more than ${LONGEST} characters, more than any value that Twilio makes: write only the value itself`
    : undefined;
}

/** Characters that look like a blank but are not one, and characters without width: web pages and chats put them into copied text. */
const INVISIBLE: Record<string, string> = {
  "\u00A0": "a non-breaking space",
  "\u00AD": "a soft hyphen",
  "\u200B": "a zero-width space",
  "\u200C": "a zero-width non-joiner",
  "\u200D": "a zero-width joiner",
  "\u2060": "a word joiner",
  "\u202F": "a narrow non-breaking space",
  "\uFEFF": "a byte order mark",
};

function invisible(value: string): string | undefined {
  const found = /[\u00A0\u00AD\u200B-\u200F\u2028-\u202F\u2060-\u2064\u3000\uFEFF]/.exec(value)?.[0];
  if (found === undefined) return undefined;
  const name = INVISIBLE[found] ?? "an invisible character";
  return `has ${name} in it (${codeOf(found)}), which web pages and chats put in: copy the value from Twilio's console again`;
}

function notAscii(value: string): string | undefined {
  const found = /[^\0-\x7f]/u.exec(value)?.[0];
  return found === undefined
    ? undefined
    : `has a character that none of Twilio's values has (${codeOf(found)}): copy the value from Twilio's console again`;
}

/** The character as U+ and its code, since the character itself cannot be seen. */
const codeOf = (character: string) =>
  `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;

/** The form of Twilio's values. Line breaks may follow, since `echo` adds one to the value before it is encoded. */
const OF_TWILIO = /^(?:[0-9A-Za-z]{32}|(?:AC|SK)[0-9a-fA-F]{32})[\r\n]*$/;

/** Recognises a value that was encoded by hand and then written under stringData, which encodes it again. */
function base64Twice(value: string): string | undefined {
  const decoded = Buffer.from(value, "base64");
  if (decoded.toString("base64") !== value || !OF_TWILIO.test(decoded.toString("latin1"))) return undefined;
  return "was encoded in base64 twice: write it encoded once under data, or as it is under stringData";
}
