import { expect, test } from "vitest";
import { FairLine } from "./line.ts";

/** Makes a line and adds these items to it in the given order. Each item is written as `tenant/upstream/item`. */
function lineOf(...items: string[]) {
  const line = new FairLine<string>();
  for (const item of items) line.add(flowOf(item), item);
  return line;
}
const flowOf = (item: string) => {
  const [tenant, upstream] = item.split("/");
  return { tenant: tenant!, upstream: upstream === "" ? undefined : upstream };
};
function drained(line: FairLine<string>, ...without: string[]) {
  const admission = {
    admitsTenant: (tenant: string) => !without.includes(tenant),
    admits: ({ tenant, upstream }: { tenant: string; upstream?: string | undefined }) =>
      !without.includes(`${tenant}/${upstream}`),
  };
  const order: string[] = [];
  for (let item = line.take(admission); item !== undefined; item = line.take(admission)) order.push(item);
  return order;
}

const rows: Record<string, [come: string[], go: string[], without?: string[]]> = {
  "items of one flow are served in the order in which they came": [
    ["a//1", "a//2", "a//3"],
    ["a//1", "a//2", "a//3"],
  ],
  "tenants take turns, however many items one of them has": [
    ["a//1", "a//2", "a//3", "a//4", "b//1", "b//2"],
    ["a//1", "b//1", "a//2", "b//2", "a//3", "a//4"],
  ],
  "the accounts of a tenant take turns": [
    ["a/x/1", "a/x/2", "a/x/3", "a/y/1"],
    ["a/x/1", "a/y/1", "a/x/2", "a/x/3"],
  ],
  "a tenant with many accounts gets no more turns than a tenant with a single account": [
    ["a/x/1", "a/y/1", "a/z/1", "b/w/1", "b/w/2", "b/w/3"],
    ["a/x/1", "b/w/1", "a/y/1", "b/w/2", "a/z/1", "b/w/3"],
  ],
  "a tenant that is not admitted is passed over and keeps its place": [
    ["a//1", "b//1", "b//2"],
    ["b//1", "b//2"],
    ["a"],
  ],
  "an account that is not admitted does not hold up the tenant's other account": [
    ["a/x/1", "a/x/2", "a/y/1"],
    ["a/y/1"],
    ["a/x"],
  ],
  "an item that is added twice is in the line once": [["a//1", "a//1"], ["a//1"]],
};
for (const [name, [come, go, without = []]] of Object.entries(rows))
  test(name, () => {
    const line = lineOf(...come);
    expect(drained(line, ...without)).toEqual(go);
    const left = [...new Set(come)].filter((item) => !go.includes(item));
    expect(line.size).toBe(left.length);
    expect(drained(line)).toEqual(left);
  });

test("an item that was removed from the line is not served and no longer counted", () => {
  const line = lineOf("a//1", "b//1", "b//2");
  line.delete(flowOf("b//1"), "b//1");
  line.delete(flowOf("b//1"), "b//1");
  line.delete(flowOf("c//1"), "c//1");
  expect(line.size).toBe(2);
  expect(drained(line)).toEqual(["a//1", "b//2"]);
  expect(line.size).toBe(0);
});
