import { setImmediate as breathe } from "node:timers/promises";

/** Rows counted by one statement: on SQLite everybody waits for it. */
const countedAtOnce = 5_000;

/** Counts in slices, and lets others go between two. */
export const countAll = async (
  slice: (after: string, most: number) => Promise<{ readonly many: number; readonly last: string }>,
): Promise<number> => {
  let [sum, after] = [0, ""];
  for (;;) {
    const { many, last } = await slice(after, countedAtOnce);
    sum += many;
    if (many < countedAtOnce) return sum;
    after = last;
    await breathe();
  }
};
