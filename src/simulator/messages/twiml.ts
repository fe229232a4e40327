/**
 * A text that a webhook's answer asks Twilio to send. Without `to` it goes to the customer, without `from` it comes from the called number.
 */
export interface TwimlReply {
  body: string;
  media: string[];
  to?: string;
  from?: string;
  statusCallback?: string;
}

/** The error for an answer that Twilio cannot use. The codes are Twilio's: 11750 too large, 12100 not TwiML, 12300 wrong content type. */
export class TwimlError extends Error {
  readonly code: 11750 | 12100 | 12300;
  constructor(code: 11750 | 12100 | 12300, message: string) {
    super(message);
    this.code = code;
  }
}

/** Twilio reads no answer that is larger than 64 KiB. */
const LONGEST_BODY = 64 * 1024;
/** Twilio's error 14109: Twilio sends at most this many texts for one answer. */
const MOST_REPLIES = 10;

/**
 * The texts that a webhook's answer asks for. Twilio reads text/xml, application/xml and text/html as TwiML. It sends the body of a
 * text/plain answer to the customer, so a webhook must not answer "ok" as plain text. An empty body asks for no text. Throws TwimlError
 * for any other answer.
 */
export function repliesIn(contentType: string | undefined, body: string): TwimlReply[] {
  if (Buffer.byteLength(body) > LONGEST_BODY) throw new TwimlError(11750, "the answer is over 64 KiB");
  if (body.trim() === "") return [];
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === "text/plain") return [{ body, media: [] }];
  if (type !== "text/xml" && type !== "application/xml" && type !== "text/html")
    throw new TwimlError(12300, `the answer's content type is ${type || "missing"}`);
  const root = parse(body);
  if (root.name !== "Response") throw new TwimlError(12100, `the root element is ${root.name}, not Response`);
  // Sms is the older name of Message. Other verbs send nothing.
  const verbs = root.children.filter(({ name }) => name === "Message" || name === "Sms");
  return verbs.slice(0, MOST_REPLIES).map(reply);
}

function reply(verb: XmlElement): TwimlReply {
  const nouns = (name: string) =>
    verb.children.filter((child) => child.name === name).map(({ text }) => text.trim());
  const { to, from, statusCallback, action } = verb.attributes;
  // The older verb Sms calls its status callback `action`.
  const callback = statusCallback ?? action;
  return {
    body: nouns("Body")[0] ?? verb.text.trim(),
    media: nouns("Media"),
    ...(to === undefined ? {} : { to }),
    ...(from === undefined ? {} : { from }),
    ...(callback === undefined ? {} : { statusCallback: callback }),
  };
}

/** An XML element of the answer. `text` is all the text directly in the element. */
interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  text: string;
  children: XmlElement[];
}

/**
 * Matches one piece of XML at `lastIndex` (sticky): a comment, instruction, CDATA section, doctype, end tag, start tag with attributes, or
 * text.
 */
const token =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<!DOCTYPE[^>]*>|<\/([\w:.-]+)\s*>|<([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;

/** Parses the part of XML that TwiML needs. Throws TwimlError 12100 for a document that is not well-formed. */
function parse(source: string): XmlElement {
  const top: XmlElement = { name: "", attributes: {}, text: "", children: [] };
  const open = [top];
  token.lastIndex = 0;
  while (token.lastIndex < source.length) {
    const at = token.lastIndex;
    const match = token.exec(source);
    if (match === null) throw new TwimlError(12100, `not well-formed at character ${at}`);
    const [, cdata, end, start, attributes, isEmpty, text] = match;
    const parent = open.at(-1)!;
    if (cdata !== undefined) parent.text += cdata;
    else if (text !== undefined) parent.text += decode(text);
    else if (end !== undefined) close(open, end);
    else if (start !== undefined) {
      const child: XmlElement = {
        name: start,
        attributes: readAttributes(attributes!),
        text: "",
        children: [],
      };
      parent.children.push(child);
      if (isEmpty === "") open.push(child);
    }
  }
  const root = top.children[0];
  if (open.length > 1 || top.children.length !== 1 || top.text.trim() !== "" || root === undefined)
    throw new TwimlError(12100, "the answer is not exactly one well-formed document");
  return root;
}

/** Closes the innermost open element. XML allows no other element to be closed first. */
function close(open: XmlElement[], name: string): void {
  if (open.length < 2 || open.pop()!.name !== name)
    throw new TwimlError(12100, `the end tag </${name}> has no start tag`);
}

function readAttributes(text: string): Record<string, string> {
  const pairs = text.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g);
  return Object.fromEntries([...pairs].map(([, name, double, single]) => [name!, decode(double ?? single!)]));
}

/** The five entities of XML. An HTML entity such as &nbsp; makes the answer invalid. */
const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Replaces entities and character references. Throws for a bare `&`, because XML does not allow it either. */
function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|(\w+));|&/gi, (whole, hex, decimal, name) => {
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    const char =
      name === undefined
        ? code > 0 && code <= 0x10ffff
          ? String.fromCodePoint(code)
          : undefined
        : named[name];
    if (char === undefined) throw new TwimlError(12100, `${whole} is not an XML entity`);
    return char;
  });
}
