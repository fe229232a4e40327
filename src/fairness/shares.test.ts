import { describe, expect, test } from "vitest";
import type { Flow } from "./flow.ts";
import { Shares } from "./shares.ts";

/** Lets the flows take places by turns until no flow is admitted. Returns how many places each flow then holds. */
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

describe("when tenants take all places that they can get", () => {
  const rows: Record<string, [places: number, flows: Flow[], leastEach: number, leastFree: number]> = {
    "a single tenant gets three quarters of the places": [300, tenants(1), 225, 60],
    "two tenants get the same, and leave an eighth free": [300, tenants(2), 128, 37],
    "ten tenants get the same, and leave a thirtieth free": [300, tenants(10), 28, 9],
    "fifty tenants still leave a place free": [300, tenants(50), 5, 1],
    "ten tenants with the same account leave a fifth to other accounts": [
      300,
      tenants(10).map(({ tenant }) => ({ tenant, upstream: "x" })),
      22,
      60,
    ],
    "a single tenant gets both of two places": [2, tenants(1), 2, 0],
    "a single tenant leaves one of eight places free": [8, tenants(1), 6, 1],
  };
  for (const [name, [places, flows, leastEach, leastFree]] of Object.entries(rows))
    test(name, () => {
      const { shares, held } = filled(places, flows);
      expect(Math.min(...held)).toBeGreaterThanOrEqual(leastEach);
      expect(shares.free).toBeGreaterThanOrEqual(leastFree);
      expect(shares.admits({ tenant: "new", upstream: "another" })).toBe(shares.free > 0);
    });
});

test("places are left for a tenant's other accounts when one account takes all it can get", () => {
  const { shares } = filled(300, [{ tenant: "a", upstream: "hangs" }]);
  for (let taken = 0; taken < 5; taken++) {
    expect(shares.admits({ tenant: "a", upstream: "works" })).toBe(true);
    shares.take({ tenant: "a", upstream: "works" });
  }
});

test("a tenant with many accounts gets no more places than a tenant with a single account", () => {
  const many = Array.from({ length: 100 }, (_, at) => ({ tenant: "a", upstream: `x${at}` }));
  const { shares } = filled(300, many);
  expect(shares.free).toBeGreaterThanOrEqual(60);
});

test("work that is limited to fewer places than usual (`perFree`) leaves places to other work of the same flow", () => {
  const shares = new Shares(300);
  const flow = { tenant: "a", upstream: "x" };
  while (shares.admits(flow, 2)) shares.take(flow);
  expect(shares.admits(flow)).toBe(true);
});

test("every place that is given back can be taken again", () => {
  const { shares, held } = filled(300, tenants(3));
  for (const [at, flow] of tenants(3).entries()) for (let i = 0; i < held[at]!; i++) shares.giveBack(flow);
  expect(shares.free).toBe(300);
  expect(filled(300, tenants(3)).held).toEqual(held);
});

test("every flow gets a place when the number of places is unlimited", () => {
  const shares = new Shares(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 1000; i++) shares.take({ tenant: "a" });
  expect(shares.admits({ tenant: "a" })).toBe(true);
});
