import { EventEmitter } from "node:events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BodyBudget, type NoBody, Pieces, readBody } from "./body.ts";

const KIB = 1024;

function setup({ keep = true, most = 64 * KIB } = {}) {
  const request = new EventEmitter();
  const budget: BodyBudget = { bytes: 0, most };
  const bodies: (string | number)[] = [];
  const seen = { scattered: 0 };
  readBody(request as unknown as Parameters<typeof readBody>[0], {
    budget,
    keep,
    done: (body: Buffer | NoBody) => bodies.push(typeof body === "string" ? body : body.length),
    scattered: () => seen.scattered++,
  });
  const send = (size: number, count = 1) => {
    for (let i = 0; i < count; i++) request.emit("data", Buffer.alloc(size, "a"));
  };
  return { request, budget, bodies, seen, send };
}

describe("the body of a request", () => {
  test("is read completely, and afterwards counts nothing against the memory budget", () => {
    const { request, budget, bodies, send } = setup();
    send(10 * KIB, 4);
    expect(budget.bytes).toBe(24 * KIB);
    request.emit("end");
    request.emit("close");
    expect(bodies).toEqual([40 * KIB]);
    expect(budget.bytes).toBe(0);
  });

  test("is not kept when it is not needed", () => {
    const { request, budget, bodies, send } = setup({ keep: false });
    send(10 * KIB, 10);
    expect(budget.bytes).toBe(0);
    request.emit("end");
    expect(bodies).toEqual([0]);
  });

  test("counts as aborted when its sender goes away", () => {
    const { request, budget, bodies, send } = setup();
    send(20 * KIB);
    request.emit("close");
    expect(bodies).toEqual(["aborted"]);
    expect(budget.bytes).toBe(0);
  });
});

describe("readBody() reports a body in too many pieces once", () => {
  test.each([true, false])("when `keep` is %s", (keep) => {
    const { request, budget, bodies, seen, send } = setup({ keep });
    send(1, 128);
    expect(seen.scattered).toBe(0);
    send(1, 100);
    request.emit("end");
    request.emit("close");
    expect(seen.scattered).toBe(1);
    expect(bodies).toEqual([]);
    expect(budget.bytes).toBe(0);
  });

  test("even when the body was already reported as too large", () => {
    const { bodies, seen, send } = setup();
    send(64 * KIB, 9);
    expect(bodies).toEqual(["tooLarge"]);
    send(1, 2000);
    expect(seen.scattered).toBe(1);
    expect(bodies).toEqual(["tooLarge"]);
  });
});

describe("the collected pieces of a body", () => {
  test("take no more than two Buffers when each has one byte, however many there are", () => {
    const pieces = new Pieces();
    for (let i = 0; i < 1000; i++) {
      pieces.add(Buffer.from([i % 256]));
      expect(pieces.held).toBeLessThanOrEqual(2);
    }
    expect(pieces.whole()).toEqual(Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256)));
  });

  test("together are the bytes that were sent, whatever the sizes of the pieces", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.uint8Array({ minLength: 500, maxLength: 600 }),
      fc.uint8Array({ maxLength: 2000 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (sent) => {
        const pieces = new Pieces();
        for (const bytes of sent) pieces.add(Buffer.from(bytes));
        expect(pieces.whole().equals(Buffer.concat(sent))).toBe(true);
      }),
    );
  });
});
