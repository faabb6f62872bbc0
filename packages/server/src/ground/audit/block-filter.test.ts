import { expect, test } from "vitest";
import { filtersOf, markOf, mayHold, widest } from "./block-filter.ts";

const event = (at: number, agent: string | null, user: string | null = null) => ({ at, agent_id: agent, user_id: user });
const numbered = (count: number) => [...Array(count).keys()];

test("a filter holds every id it was made of, and takes few others for one of them, whatever its size", () => {
  for (const count of [1, 3, 20, 500]) {
    const [filter] = filtersOf(numbered(count).map((n) => event(n, `agt_${n}`, `usr_${n}`)));
    if (!filter) throw new Error("no filter");
    for (const n of numbered(count)) expect(mayHold(filter.filter, [markOf("agent", `agt_${n}`), markOf("user", `usr_${n}`)])).toBe(true);
    const strangers = numbered(20_000).filter((n) => mayHold(filter.filter, [markOf("agent", `agt_stranger_${n}`)]));
    expect(strangers.length / 20_000, `${count}`).toBeLessThan(0.02);
    // 9 bits for each of two ids, in base64url.
    expect(filter.filter.length).toBeLessThan(count * 3.1 + 4);
  }
});

test("an agent is not taken for a user of the same name", () => {
  const [filter] = filtersOf([event(1, "alice")]);
  expect([mayHold(filter?.filter ?? "", [markOf("agent", "alice")]), mayHold(filter?.filter ?? "", [markOf("user", "alice")])]).toEqual([
    true,
    false,
  ]);
});

test("a block whose events lie far apart has a filter for each stretch of time, and none where nobody is named", () => {
  const events = [event(0, "a"), event(widest, "b"), event(widest + 1, null), event(9 * widest, null, "u"), event(9 * widest, "c")];
  const filters = filtersOf(events);
  expect(filters.map(({ firstAt, lastAt }) => [firstAt, lastAt])).toEqual([
    [0, widest],
    [9 * widest, 9 * widest],
  ]);
  const [first = "", last = ""] = filters.map(({ filter }) => filter);
  const named = [markOf("agent", "a"), markOf("agent", "b"), markOf("agent", "c"), markOf("user", "u")];
  expect(named.map((mark) => [mayHold(first, [mark]), mayHold(last, [mark])])).toEqual([
    [true, false],
    [true, false],
    [false, true],
    [false, true],
  ]);
  expect(filtersOf([])).toEqual([]);
});
