import { expect, test } from "vitest";
import { Refusal } from "../kernel/index.ts";
import { makeGathering } from "./gathering.ts";

const numbers = (many: number) => [...Array(many).keys()];
/** Long enough for whatever could begin to have begun. */
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};

test("what many want at once is done in few runs, and each gets its own answer", async () => {
  const runs: number[] = [];
  const double = makeGathering(async (take: () => readonly number[]) => {
    const taken = take();
    runs.push(taken.length);
    await turns();
    return taken.map((one) => 2 * one);
  });
  expect(await double(7)).toBe(14);
  expect(await Promise.all(numbers(3_000).map(double))).toEqual(numbers(3_000).map((one) => 2 * one));
  expect(runs).toEqual([1, 1_024, 1_024, 952]);
});

test("two runs are under way at most, and whatever arrives meanwhile goes into the next", async () => {
  const underWay: { readonly taken: readonly number[]; readonly end: () => void }[] = [];
  const same = makeGathering(async (take: () => readonly number[]) => {
    const taken = take();
    await new Promise<void>((end) => underWay.push({ taken, end }));
    return taken;
  });
  const answered = numbers(6).map(async (one) => {
    for (let before = 0; before < one; before += 1) await turns();
    return same(one);
  });
  for (let arriving = 0; arriving < 10; arriving += 1) await turns();
  expect(underWay.map(({ taken }) => taken)).toEqual([[0], [1]]);
  underWay[1]?.end();
  expect(await answered[1]).toBe(1);
  await turns();
  expect(underWay.map(({ taken }) => taken)).toEqual([[0], [1], [2, 3, 4, 5]]);
  for (const { end } of underWay) end();
  expect(await Promise.all(answered)).toEqual(numbers(6));
});

test("a run may take late, and again when it is tried again: it gets the same, with whatever had arrived when it took first", async () => {
  const runs: (readonly number[])[] = [];
  const same = makeGathering(async (take: () => readonly number[]) => {
    await turns();
    await turns();
    const taken = take();
    runs.push(taken);
    await turns();
    expect(take()).toEqual(taken);
    return taken;
  });
  const early = [same(1), same(2)];
  await turns();
  const late = same(3);
  await turns();
  await turns();
  const later = same(4);
  expect(await Promise.all([...early, late, later])).toEqual([1, 2, 3, 4]);
  expect(runs).toEqual([[1, 2, 3], [4]]);
});

test("one that cannot be done harms none of those beside it", async () => {
  const half = makeGathering(async (take: () => readonly number[]) => {
    await turns();
    return take().map((one) => {
      if (one === 20) throw new Error("not this one");
      return one / 2;
    });
  });
  const done = await Promise.allSettled(numbers(40).map(half));
  expect(done.map((each) => (each.status === "fulfilled" ? each.value : String(each.reason)))).toEqual(
    numbers(40).map((one) => (one === 20 ? "Error: not this one" : one / 2)),
  );
});

test("where the store is gone none is answered and nothing is tried one by one, whether the run had taken or not", async () => {
  for (const hasTaken of [false, true]) {
    let tries = 0;
    const gone = makeGathering<number, number>(async (take) => {
      tries += 1;
      await turns();
      if (hasTaken) take();
      throw new Refusal("unavailable", "gone");
    });
    const noted = await Promise.allSettled(numbers(40).map(gone));
    expect(noted.every((each) => each.status === "rejected" && each.reason instanceof Refusal)).toBe(true);
    expect(tries).toBe(1);
  }
});
