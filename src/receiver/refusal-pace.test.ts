import { describe, expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { RefusalPace } from "./refusal-pace.ts";

function setup(mostWaiting = 1000) {
  const clock = new ManualClock();
  const pace = new RefusalPace({ clock, perSecond: 100, mostWaiting });
  const left: number[] = [];
  let next = 0;
  const pass = (count: number) => {
    for (let i = 0; i < count; i++) {
      const number = next++;
      pace.pass(() => left.push(number));
    }
  };
  return { clock, pace, left, pass };
}

describe("refusals at a limited rate", () => {
  test("are sent immediately while they are few", async () => {
    const { clock, left, pass } = setup();
    for (let i = 0; i < 50; i++) {
      pass(1);
      expect(left).toHaveLength(i + 1);
      await clock.advance(20);
    }
  });

  test("are sent at a fixed rate and in their order while they are many", async () => {
    const { clock, left, pass } = setup();
    pass(500);
    expect(left).toHaveLength(100);
    await clock.advance(1000);
    expect(left).toHaveLength(200);
    await clock.advance(3000);
    expect(left).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  test("are sent no faster than the rate to clients that wait for each answer, even on a hundred connections", async () => {
    const { clock, pace } = setup();
    let answers = 0;
    const stranger = () =>
      pace.pass(() => {
        answers++;
        clock.after(1, stranger);
      });
    for (let i = 0; i < 100; i++) stranger();
    await clock.advance(10_000);
    expect(answers).toBeGreaterThan(1000);
    expect(answers).toBeLessThanOrEqual(1100);
  });

  test("wait in a queue of limited length: when it is full, the refusal that has waited longest is sent", () => {
    const { left, pass } = setup(10);
    pass(110);
    expect(left).toHaveLength(100);
    pass(5);
    expect(left).toEqual(Array.from({ length: 105 }, (_, i) => i));
  });

  test("are all sent immediately when the process ends", () => {
    const { pace, left, pass } = setup();
    pass(300);
    pace.end();
    expect(left).toHaveLength(300);
    pass(1);
    expect(left).toHaveLength(301);
  });
});
