/** What of metadata no controller reads. */
const UNREAD = new Set(["managedFields", "labels", "ownerReferences"]);
/** Of a large object's annotations only ours are read: it may have fifty thousand. */
const OURS = "smschannel.dev/";
/** Secrets have data of any number of keys; whoever is read here has a handful. */
const MOST_DATA = 1000;
/** An object of up to this many characters is kept as it is: parsing it takes a millisecond at most, whatever is in it. */
const SMALL = 16 * 1024;

/**
 * JSON.parse of an object or of a watch event, of a large one without what is never read. Its owner may write a hundred thousand
 * labels, or as many field names into managedFields: to parse those takes a hundred milliseconds, to pass over them five.
 */
export function parseSkimmed(text: string): unknown {
  return JSON.parse(text.length <= SMALL ? text : new Skimmer(text).skim());
}

/** A list's text in pieces: itself without its items, and each of those. */
export function splitList(text: string): { list: string; items: string[] } {
  return new Skimmer(text).split();
}

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Decides about a member when its value begins: drops it, looks into it, or keeps it as it is. */
type Rule = (name: string, count: number) => "drop" | (() => void) | undefined;

/** Reads a text once from left to right and remembers which parts of it to leave out. What is no JSON is kept as it is. */
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

  readonly #ofMetadata: Rule = (name) => {
    if (name === "annotations")
      return () => this.#members((key) => (key.startsWith(OURS) ? undefined : "drop"));
    return UNREAD.has(name) ? "drop" : undefined;
  };

  /** Passes over an object, member by member; over anything else as a whole. */
  #members(rule: Rule): void {
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
      // With the comma before it, or, where nothing before it is kept, with the one after it.
      if (decision === "drop") this.#leaveOut(keptAny ? commaBefore : start, keptAny ? end : this.#at);
      else keptAny = true;
      if (commaAfter === -1) break;
      commaBefore = commaAfter;
    }
    if (this.#next() === CLOSE_OBJECT) this.#at++;
  }

  /** A member's name, and the colon after it. */
  #name(): string {
    const start = this.#at;
    this.#string();
    const name = this.#text.slice(start + 1, this.#at - 1);
    if (this.#next() === COLON) this.#at++;
    return name;
  }

  #takeItems(): void {
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

  /** Passes over a value of any depth: up to the comma or bracket behind it. */
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

  /** From its first quotation mark to behind its last. */
  #string(): void {
    let end = this.#text.indexOf('"', this.#at + 1);
    while (end !== -1 && this.#escaped(end)) end = this.#text.indexOf('"', end + 1);
    this.#at = end === -1 ? this.#text.length : end + 1;
  }

  #escaped(at: number): boolean {
    let before = at - 1;
    while (this.#text.charCodeAt(before) === BACKSLASH) before--;
    return (at - before) % 2 === 0;
  }

  /** The next character that is no blank. */
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
