import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { PackedList, packedText } from "./packed-list.ts";

interface PackedValue {
  id: number;
  text: string;
}

/** Makes a list that records the id of each value that is written as JSON. */
function counted() {
  const written: number[] = [];
  const list = new PackedList<PackedValue>({
    orderOf: ({ id }) => String(id).padStart(6, "0"),
    textOf: (value) => {
      written.push(value.id);
      return JSON.stringify(value);
    },
  });
  return { list, written };
}

const values = (count: number): PackedValue[] =>
  Array.from({ length: count }, (_, id) => ({ id, text: `v${id}` }));
const read = (text: string): PackedValue[] => JSON.parse(gunzipSync(Buffer.from(text, "base64")).toString());
const pack = async (list: PackedList<PackedValue>, of: readonly PackedValue[]) =>
  packedText("[", await list.members(of), "]");
const byId = (of: readonly PackedValue[]) => of.toSorted((a, b) => a.id - b.id);

describe("a packed list is read back unchanged with", () => {
  for (const count of [0, 1, 2, 31, 32, 33, 64, 65, 1000])
    test(`${count} values`, async () => {
      const text = await pack(counted().list, values(count));
      expect(byId(read(text))).toEqual(values(count));
    });
});

test("the bytes of a packed list depend only on its values, not on their order or on earlier packings", async () => {
  const all = values(300);
  const fresh = await pack(counted().list, all);
  const { list } = counted();
  await pack(list, all.slice(0, 10));
  await pack(list, [...all, { id: 900, text: "for a while" }]);
  expect(await pack(list, all.toReversed())).toBe(fresh);
  expect(await pack(counted().list, structuredClone(all))).toBe(fresh);
});

test("after a change, orderOf() is called for few values: for new values, and for all values in the changed buckets", async () => {
  const asked: number[] = [];
  const list = new PackedList<PackedValue>({
    orderOf: ({ id }) => {
      asked.push(id);
      return String(id).padStart(6, "0");
    },
    textOf: (value) => JSON.stringify(value),
  });
  const all = values(1000);
  await pack(list, all);
  const changes: PackedValue[][] = [
    all,
    all.with(500, { id: 500, text: "replaced" }),
    all.toSpliced(300, 3),
    [...all, { id: 1000, text: "added" }],
  ];
  for (const changed of changes) {
    await pack(list, all);
    asked.length = 0;
    const text = await pack(list, changed);
    expect(asked.length).toBeLessThan(200);
    expect(text).toBe(await pack(counted().list, changed));
  }
});

test("packing unchanged values writes no JSON again, and packing a changed value writes only its bucket", async () => {
  const { list, written } = counted();
  const all = values(1000);
  await pack(list, all);
  expect(written.length).toBe(1000);
  written.length = 0;
  await pack(list, all);
  expect(written).toEqual([]);

  const changed = all.with(500, { id: 500, text: "another" });
  const text = await pack(list, changed);
  expect(written).toContain(500);
  expect(written.length).toBeLessThan(100);
  expect(byId(read(text))).toEqual(changed);
});

test("a packed list holds exactly the current values while values are added and removed", async () => {
  const { list } = counted();
  let all = values(70);
  for (const step of [
    () => all.slice(1),
    () => [...all, { id: 5000, text: "new" }],
    () => all.filter(({ id }) => id % 2 === 0),
    () => [],
    () => values(200),
  ]) {
    all = step();
    expect(byId(read(await pack(list, all)))).toEqual(byId(all));
  }
});

test("packing fails when a value cannot be written as JSON, and the next packing is complete", async () => {
  let broken = true;
  const list = new PackedList<PackedValue>({
    orderOf: ({ id }) => String(id),
    textOf: async (value) => {
      if (broken && value.id === 7) throw new Error("not now");
      return JSON.stringify(value);
    },
  });
  await expect(list.members(values(100))).rejects.toThrow("not now");
  broken = false;
  expect(byId(read(await pack(list, values(100))))).toEqual(values(100));
});
