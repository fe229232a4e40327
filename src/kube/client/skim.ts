/**
 * Parses the API server's JSON without the parts that no controller reads.
 *
 * Node has one thread, so nothing can interrupt the parsing of an answer, and users decide how much there is to parse. An
 * object may have about 1.5 MB (etcd's limit): a hundred thousand labels, or as many field names in `managedFields`. JSON.parse
 * takes a hundred milliseconds for such an object, in which no Lease is renewed and no probe is answered. Skipping the text of
 * these parts takes five milliseconds.
 *
 * So a large text is read once from left to right, and the members that nobody needs are cut out before JSON.parse sees them.
 * Small texts, which are nearly all texts, go to JSON.parse as they are.
 *
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */

/** The parts of a large object's metadata that no controller reads. */
const UNREAD = new Set(["managedFields", "labels", "ownerReferences"]);
/** Only annotations with this prefix are kept of a large object, which may have fifty thousand others. */
const OURS = "smschannel.dev/";
/**
 * How many keys are kept of a large Secret's data. A Secret can have any number of keys, but the Secrets that we read have a
 * few.
 */
const MOST_DATA = 1000;
/**
 * The length in characters up to which a text is parsed as it is. Parsing such a text takes a millisecond at most, whatever its
 * content, so skimming would save nothing.
 */
const SMALL = 16 * 1024;

/** JSON.parse of an object or of a watch event. When the text is large, the parts that are never read are left out. */
export function parseSkimmed(text: string): unknown {
  return JSON.parse(text.length <= SMALL ? text : new Skimmer(text).skim());
}

/**
 * Splits the text of a list into the list without its items and the text of each item, so that each item can be parsed
 * separately.
 */
export function splitList(text: string): { list: string; items: string[] } {
  return new Skimmer(text).split();
}

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Decides about a member of a JSON object when the member's value begins: drop it, process it with the returned function, or
 * keep it as it is.
 */
type MemberRule = (name: string, count: number) => "drop" | (() => void) | undefined;

/**
 * Reads a text once and notes which parts to leave out. It checks nothing: text that is not JSON passes through unchanged or is
 * cut at the wrong place, and in both cases JSON.parse throws.
 */
class Skimmer {
  readonly #text: string;
  readonly #kept: string[] = [];
  readonly #items: string[] = [];
  #at = 0;
  #keptUpTo = 0;

  constructor(text: string) {
    this.#text = text;
  }

  skim(): string {
    // In a watch event the object is the member "object"; otherwise it is the whole text.
    this.#members((name) => (name === "object" ? () => this.#members(this.#ofObject) : this.#ofObject(name)));
    return this.#result();
  }

  split(): { list: string; items: string[] } {
    this.#members((name) => (name === "items" ? () => this.#takeItems() : undefined));
    return { list: this.#result(), items: this.#items };
  }

  readonly #ofObject = (name: string) => {
    if (name === "metadata") return () => this.#members(this.#ofMetadata);
    if (name === "data") return () => this.#members((_, count) => (count >= MOST_DATA ? "drop" : undefined));
    return undefined;
  };

  readonly #ofMetadata: MemberRule = (name) => {
    if (name === "annotations")
      return () => this.#members((key) => (key.startsWith(OURS) ? undefined : "drop"));
    return UNREAD.has(name) ? "drop" : undefined;
  };

  /** Reads an object and applies the rule to each of its members; skips any other value as a whole. */
  #members(rule: MemberRule): void {
    if (this.#next() !== OPEN_OBJECT) {
      this.#value();
      return;
    }
    this.#at++;
    let keptAny = false;
    for (let count = 0, commaBefore = -1; this.#next() === QUOTE; count++) {
      const start = this.#at;
      const decision = rule(this.#name(), count);
      if (typeof decision === "function") decision();
      else this.#value();
      const end = this.#at;
      const commaAfter = this.#next() === COMMA ? this.#at++ : -1;
      // One comma must go with a dropped member: the comma before it, or the comma after it when no earlier member is kept.
      if (decision === "drop") this.#leaveOut(keptAny ? commaBefore : start, keptAny ? end : this.#at);
      else keptAny = true;
      if (commaAfter === -1) break;
      commaBefore = commaAfter;
    }
    if (this.#next() === CLOSE_OBJECT) this.#at++;
  }

  /** Reads a member's name and the colon after it. Escapes are not decoded: no name that is looked for contains one. */
  #name(): string {
    const start = this.#at;
    this.#string();
    const name = this.#text.slice(start + 1, this.#at - 1);
    if (this.#next() === COLON) this.#at++;
    return name;
  }

  #takeItems(): void {
    // The API server writes an empty list of items as null.
    if (this.#next() !== OPEN_LIST) {
      this.#value();
      return;
    }
    const begin = ++this.#at;
    while (this.#at < this.#text.length && this.#next() !== CLOSE_LIST) {
      const start = this.#at;
      this.#value();
      this.#items.push(this.#text.slice(start, this.#at));
      if (this.#next() !== COMMA) break;
      this.#at++;
    }
    this.#leaveOut(begin, this.#at);
    if (this.#next() === CLOSE_LIST) this.#at++;
  }

  /**
   * Skips a value up to the comma or bracket behind it. It counts brackets instead of calling itself: users decide how deep an
   * object is nested, and a call per level could exhaust the stack.
   */
  #value(): void {
    for (let depth = 0; this.#at < this.#text.length; ) {
      const code = this.#text.charCodeAt(this.#at);
      const closes = code === CLOSE_OBJECT || code === CLOSE_LIST;
      if (depth === 0 && (closes || code === COMMA)) return;
      if (code === QUOTE) {
        this.#string();
        continue;
      }
      if (closes) depth--;
      else if (code === OPEN_OBJECT || code === OPEN_LIST) depth++;
      this.#at++;
    }
  }

  /** Skips a string. Most of a large object is strings, and `indexOf` is native code, so this is what makes skimming fast. */
  #string(): void {
    let end = this.#text.indexOf('"', this.#at + 1);
    while (end !== -1 && this.#escaped(end)) end = this.#text.indexOf('"', end + 1);
    this.#at = end === -1 ? this.#text.length : end + 1;
  }

  /** A quotation mark is escaped when an odd number of backslashes stands before it: `\"` is, `\\"` is not. */
  #escaped(at: number): boolean {
    let before = at - 1;
    while (this.#text.charCodeAt(before) === BACKSLASH) before--;
    return (at - before) % 2 === 0;
  }

  /** The next character that is not white space. At the end of the text it is NaN, which equals no character. */
  #next(): number {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++;
    return this.#text.charCodeAt(this.#at);
  }

  #leaveOut(from: number, to: number): void {
    this.#kept.push(this.#text.slice(this.#keptUpTo, from));
    this.#keptUpTo = to;
  }

  #result(): string {
    return this.#kept.join("") + this.#text.slice(this.#keptUpTo);
  }
}
