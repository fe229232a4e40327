import { expect, test } from "vitest";
import { MultiMap } from "./multimap.ts";

test("each value is returned once, in the order of insertion", () => {
  const map = new MultiMap<string, string>();
  for (const value of ["b", "a", "b", "c"]) map.add("k", value);
  map.add("other", "x");

  expect(map.get("k")).toEqual(["b", "a", "c"]);
  expect(map.count("k")).toBe(3);
  expect(map.has("k", "a")).toBe(true);
  expect(map.has("k", "x")).toBe(false);
  expect(map.get("missing")).toEqual([]);
});

test("values can be added and removed in any order", () => {
  const map = new MultiMap<string, string>();
  map.add("k", "a");
  expect([map.get("k"), map.count("k"), map.has("k", "a")]).toEqual([["a"], 1, true]);
  map.delete("k", "b");
  expect(map.get("k")).toEqual(["a"]);
  map.add("k", "b");
  map.delete("k", "a");
  expect(map.get("k")).toEqual(["b"]);
  map.delete("k", "b");
  expect([map.get("k"), map.count("k"), map.has("k", "b")]).toEqual([[], 0, false]);
  map.delete("k", "b");
});

test("a list of values that was read from the map does not change when the map changes", () => {
  const map = new MultiMap<string, string>();
  map.add("k", "a");
  map.add("k", "b");
  const before = map.get("k");
  map.clear();
  expect(before).toEqual(["a", "b"]);
  expect(map.get("k")).toEqual([]);
});
