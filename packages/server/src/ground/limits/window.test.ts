import { describe, expect, test } from "vitest";
import { makeWindow, minute, momentOf } from "./window.ts";

const noCrowd = () => "crowd";
/** Takes as many as fit at a moment, `tries` at most, and answers how many did. */
const taking =
  (window: ReturnType<typeof makeWindow>) =>
  (key: string, now: number, tries: number): number => {
    let took = 0;
    for (let count = 0; count < tries; count += 1) {
      const at = momentOf(now);
      const counter = window.counterOf(key, at);
      if (!window.fits(counter, at)) continue;
      counter.own += 1;
      took += 1;
    }
    return took;
  };

describe("a window", () => {
  test("lets through its limit in a minute, and each caller is counted alone", () => {
    const take = taking(makeWindow({ limit: 100, most: 10, crowdOf: noCrowd }));
    expect(take("a", 0, 500)).toBe(100);
    expect(take("a", minute - 1, 500)).toBe(0);
    expect(take("b", minute - 1, 500)).toBe(100);
  });

  test("slides: what was used a minute ago is given back bit by bit, not all at once", () => {
    const take = taking(makeWindow({ limit: 100, most: 10, crowdOf: noCrowd }));
    expect(take("a", minute - 1, 500)).toBe(100);
    expect(take("a", minute, 500)).toBe(0);
    expect(take("a", minute + minute / 4, 500)).toBe(25);
    expect(take("a", minute + minute / 2, 500)).toBe(25);
    expect(take("a", 2 * minute, 500)).toBe(50);
    expect(take("a", 5 * minute, 500)).toBe(100);
  });

  test("says to the second when one more fits", () => {
    for (const [usedAt, askedAt] of [
      [0, 1_000],
      [minute - 1, minute + 500],
      [20_000, 59_000],
      [1, minute - 1],
    ] as const) {
      const window = makeWindow({ limit: 7, most: 10, crowdOf: noCrowd });
      const take = taking(window);
      expect(take("a", usedAt, 50)).toBe(7);
      expect(take("a", askedAt, 1)).toBe(0);
      const at = momentOf(askedAt);
      const wait = window.wait(window.counterOf("a", at), at);
      expect(take("a", askedAt + (wait - 1) * 1000 - 1, 1)).toBe(0);
      expect(take("a", askedAt + wait * 1000, 1)).toBe(1);
    }
  });

  test("a clock that jumps an hour either way neither locks anybody out nor lets twice the limit through at once", () => {
    const hour = 60 * minute;
    for (const jump of [hour, -hour, 25 * hour]) {
      const take = taking(makeWindow({ limit: 100, most: 10, crowdOf: noCrowd }));
      const start = 1_000 * hour + 100;
      expect(take("a", start, 500)).toBe(100);
      expect(take("a", start + jump, 500)).toBe(100);
      expect(take("a", start + jump, 500)).toBe(0);
    }
    const take = taking(makeWindow({ limit: 100, most: 10, crowdOf: noCrowd }));
    expect(take("a", 10 * minute, 500)).toBe(100);
    // Set back by a second, over the edge of a minute: no new minute begins.
    expect(take("a", 10 * minute - 1_000, 500)).toBe(0);
    expect(take("a", 10 * minute + 1, 500)).toBe(0);
  });

  test("keeps as many callers as it may; newcomers share, who was there is not pushed out, and all is forgotten after two minutes", () => {
    const window = makeWindow({ limit: 100, most: 50, crowdOf: (key) => `crowd ${key.length % 3}` });
    const take = taking(window);
    expect(take("regular", 0, 40)).toBe(40);
    for (let count = 0; count < 10_000; count += 1) take(`stranger ${count}`, 1, 1);
    expect(window.size()).toBeLessThanOrEqual(50 + 3);
    // Not refused for the strangers' sake, and not forgotten either.
    expect(take("regular", 2, 100)).toBe(60);
    expect(take("stranger 999", 2, 1)).toBe(0);
    expect(take("regular", 3 * minute, 500)).toBe(100);
    expect(window.size()).toBe(1);
  });
});
