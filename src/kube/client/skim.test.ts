import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parsePage } from "./page.ts";
import { parseSkimmed } from "./skim.ts";

const filler = "x".repeat(150_000);
const ours = { "smschannel.dev/force-delete": 'e"}]{,' };
const metadata = {
  name: "a",
  labels: { b: "c" },
  annotations: { a: "b", ...ours, "x.example.com/y": "}" },
  managedFields: [{ f: 1 }],
};
const secret = { apiVersion: "v1", kind: "Secret", metadata, data: { accountSid: "QQ==" } };
const kept = { name: "a", annotations: ours };

/** For each case: a text that is read, and what must be left of it when it is large. */
const rows: Record<string, [read: object, left: object]> = {
  "an object": [
    { ...secret, filler },
    { ...secret, metadata: kept, filler },
  ],
  "a watch event": [
    { type: "ADDED", object: { ...secret, filler } },
    { type: "ADDED", object: { ...secret, metadata: kept, filler } },
  ],
  "metadata with nothing that is kept": [
    { metadata: { labels: {}, managedFields: [] }, filler },
    { metadata: {}, filler },
  ],
  "fields outside of the metadata, with the names of metadata that is cut out": [
    { spec: { labels: { a: "b" }, metadata: { managedFields: [1] } }, filler },
    { spec: { labels: { a: "b" }, metadata: { managedFields: [1] } }, filler },
  ],
  "an object with items of its own": [
    { items: [secret], metadata, filler },
    { items: [secret], metadata: kept, filler },
  ],
  "data with more keys than are kept": [
    { data: Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`k${at}`, "value"])) },
    { data: Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`k${at}`, "value"])) },
  ],
};

describe("only the parts that controllers read are parsed from a large text", () => {
  for (const [name, [read, left]] of Object.entries(rows)) {
    test(name, () => expect(parseSkimmed(JSON.stringify(read))).toEqual(left));
    test(`${name}, with blanks and line breaks`, () =>
      expect(parseSkimmed(JSON.stringify(read, null, 2))).toEqual(left));
  }
});

test("a small text is parsed as it is", () => expect(parseSkimmed(JSON.stringify(secret))).toEqual(secret));

test("all fields of a large text outside of its metadata come through unchanged", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      // The names `object`, `metadata` and `data` are left out, because they have a special meaning.
      const { object: _, metadata: __, data: ___, ...rest } = object;
      expect(parseSkimmed(JSON.stringify({ ...rest, metadata, filler }))).toEqual(
        JSON.parse(JSON.stringify({ ...rest, metadata: kept, filler })),
      );
    }),
  );
});

const lists: Record<string, [items: unknown, left: unknown[]]> = {
  "null, as the API server writes an empty list": [null, []],
  "an empty list": [[], []],
  "small items and a large one": [
    [secret, { ...secret, filler }, secret],
    [secret, { ...secret, metadata: kept, filler }, secret],
  ],
  "more items than are parsed in one go": [
    Array.from({ length: 20_000 }, () => secret),
    Array.from({ length: 20_000 }, () => secret),
  ],
};
describe("the items of a list are parsed one by one, large items without what no controller reads", () => {
  for (const [name, [items, left]] of Object.entries(lists))
    for (const blanks of [0, 2])
      test(`${name}${blanks === 0 ? "" : ", with blanks and line breaks"}`, async () => {
        const list = { kind: "SecretList", metadata: { resourceVersion: "1", continue: "t" } };
        const text = JSON.stringify({ ...list, items, last: 1 }, null, blanks);
        const page = await parsePage(text, (item) => item);
        expect(page.items).toEqual(left);
        expect(page.list).toMatchObject(list);
      });
});

test("parsing a large text that is cut short throws, wherever the cut is", () => {
  const text = JSON.stringify({ metadata, data: { a: "b" }, filler });
  for (const end of [140_000, text.length - 1, text.length - 2, text.indexOf("labels") + 3])
    expect(() => parseSkimmed(text.slice(0, end).padEnd(140_000, "{"))).toThrow(SyntaxError);
});
