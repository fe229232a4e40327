import { describe, expect, test } from "vitest";
import type { Flow } from "./flow.ts";
import { Shares } from "./shares.ts";

/** All take by turns what they can get; gives what each then holds. */
function filled(places: number, flows: Flow[]) {
  const shares = new Shares(places);
  const held = flows.map(() => 0);
  for (let taken = true; taken; ) {
    taken = false;
    for (const [at, flow] of flows.entries())
      if (shares.admits(flow)) {
        shares.take(flow);
        held[at]! += 1;
        taken = true;
      }
  }
  return { shares, held };
}
const tenants = (count: number): Flow[] => Array.from({ length: count }, (_, at) => ({ tenant: `t${at}` }));

describe("whoever takes all there is to be had", () => {
  const rows: Record<string, [places: number, flows: Flow[], leastEach: number, leastFree: number]> = {
    "alone gets three quarters": [300, tenants(1), 225, 60],
    "two get the same, and an eighth is left": [300, tenants(2), 128, 37],
    "ten get the same, and a thirtieth is left": [300, tenants(10), 28, 9],
    "fifty still leave a place": [300, tenants(50), 5, 1],
    "one account of ten tenants leaves others a fifth": [
      300,
      tenants(10).map(({ tenant }) => ({ tenant, upstream: "x" })),
      22,
      60,
    ],
    "few places are not kept from who comes alone": [2, tenants(1), 2, 0],
    "of eight places one is left": [8, tenants(1), 6, 1],
  };
  for (const [name, [places, flows, leastEach, leastFree]] of Object.entries(rows))
    test(name, () => {
      const { shares, held } = filled(places, flows);
      expect(Math.min(...held)).toBeGreaterThanOrEqual(leastEach);
      expect(shares.free).toBeGreaterThanOrEqual(leastFree);
      expect(shares.admits({ tenant: "new", upstream: "another" })).toBe(shares.free > 0);
    });
});

test("an account that takes all it can leaves room for the tenant's other accounts", () => {
  const { shares } = filled(300, [{ tenant: "a", upstream: "hangs" }]);
  for (let taken = 0; taken < 5; taken++) {
    expect(shares.admits({ tenant: "a", upstream: "works" })).toBe(true);
    shares.take({ tenant: "a", upstream: "works" });
  }
});

test("a tenant with many accounts gets no more than one with one", () => {
  const many = Array.from({ length: 100 }, (_, at) => ({ tenant: "a", upstream: `x${at}` }));
  const { shares } = filled(300, many);
  expect(shares.free).toBeGreaterThanOrEqual(60);
});

test("what is to leave room for others of its flow gets less", () => {
  const shares = new Shares(300);
  const flow = { tenant: "a", upstream: "x" };
  while (shares.admits(flow, 2)) shares.take(flow);
  expect(shares.admits(flow)).toBe(true);
});

test("what is given back can be had again, to the last", () => {
  const { shares, held } = filled(300, tenants(3));
  for (const [at, flow] of tenants(3).entries()) for (let i = 0; i < held[at]!; i++) shares.giveBack(flow);
  expect(shares.free).toBe(300);
  expect(filled(300, tenants(3)).held).toEqual(held);
});

test("without an end to the places everybody gets one", () => {
  const shares = new Shares(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 1000; i++) shares.take({ tenant: "a" });
  expect(shares.admits({ tenant: "a" })).toBe(true);
});
