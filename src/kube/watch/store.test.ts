import { describe, expect, test } from "vitest";
import { linesOf } from "../client/watch-lines.ts";
import type { KubeObject } from "../resource.ts";
import { Store } from "./store.ts";
import { trim } from "./trim.ts";

interface Thing extends KubeObject {
  spec: { refs: string[] };
}
const thing = (namespace: string, name: string, refs: string[] = []): Thing => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { namespace, name },
  spec: { refs },
});

describe("a store", () => {
  const store = () => new Store<Thing>({ refs: ({ spec }) => spec.refs });
  const names = (things: Thing[]) => things.map(({ metadata }) => metadata.name).sort();

  test("finds objects by each value of an index", () => {
    const things = store();
    things.set(thing("n", "a", ["x", "y"]));
    things.set(thing("n", "b", ["y"]));
    expect(names(things.byIndex("refs", "y"))).toEqual(["a", "b"]);
    expect(things.byIndex("refs", "z")).toEqual([]);
  });
  test("no longer finds an object by an index value that it has lost", () => {
    const things = store();
    things.set(thing("n", "a", ["x"]));
    things.set(thing("n", "a", ["y"]));
    expect(things.byIndex("refs", "x")).toEqual([]);
    things.delete("n/a");
    expect(things.byIndex("refs", "y")).toEqual([]);
    expect(things.size).toBe(0);
  });
  test("lists the objects of one namespace without those of another", () => {
    const things = store();
    things.set(thing("n", "a"));
    things.set(thing("m", "a"));
    expect(things.list("n")).toHaveLength(1);
    expect(things.list()).toHaveLength(2);
    expect(things.get("o", "a")).toBeUndefined();
  });
  test("throws for an index that was not declared", () =>
    expect(() => store().byIndex("typo", "x")).toThrow(/typo/));
});

describe("an object that is trimmed for the store", () => {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: "s",
      managedFields: [{ manager: "x" }],
      annotations: {
        keep: "1",
        "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"token":"dG9w"}}',
      },
    },
    data: { token: "dG9w" },
  };
  test("has neither a Secret's data nor the copy in kubectl's annotation when only metadata is kept", () => {
    const kept = trim(secret as KubeObject, { metadataOnly: true });
    expect(JSON.stringify(kept)).not.toContain("dG9w");
    expect(kept.metadata.annotations).toEqual({ keep: "1" });
  });
  test("has no managedFields and cannot be changed", () => {
    const kept = trim(secret as KubeObject, {});
    expect(kept.metadata).not.toHaveProperty("managedFields");
    expect(() => {
      (kept as unknown as typeof secret).data.token = "other";
    }).toThrow(TypeError);
  });
});

describe("the lines of a watch", () => {
  async function* chunks(...texts: (string | Uint8Array)[]) {
    for (const text of texts) yield typeof text === "string" ? new TextEncoder().encode(text) : text;
  }
  const read = async (source: AsyncIterable<Uint8Array>) => Array.fromAsync(linesOf(source));
  test("are put together from the pieces that arrive", async () =>
    expect(await read(chunks("{a", "}\n{b}\n{", "c}", "\n"))).toEqual(["{a}", "{b}", "{c}"]));
  test("contain a character whole even when its bytes arrived in two pieces", async () => {
    const bytes = new TextEncoder().encode("é\n");
    expect(await read(chunks(bytes.slice(0, 1), bytes.slice(1)))).toEqual(["é"]);
  });
  test("leave out a last line that a broken connection left unfinished", async () =>
    expect(await read(chunks('{"a":1}\n{"type":"ADD'))).toEqual(['{"a":1}']));
});
