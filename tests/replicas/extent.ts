/** Whether a proof runs at its full length; `npm run prove` sets it. Otherwise it is short enough for every run of the tests. */
export const full = process.env["LEGATE_TEST_FULL"] === "1";

/** How often something is done: in short, and at full length. */
export const times = (short: number, long: number): number => (full ? long : short);

/** Says what a proof measured. */
export const say = (proof: string, figures: Readonly<Record<string, unknown>>): void => {
  process.stdout.write(`\n${proof}: ${JSON.stringify(figures)}\n`);
};

/** The highest of many figures, of which there may be none. */
export const worst = (figures: readonly number[]): number => figures.reduce((most, each) => Math.max(most, each), 0);

/** A choice that may be made again: mulberry32. Answers numbers from 0 up to, never including, 1. */
export const diceOf = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** The seed of this run: the one given, else another each time. It is printed, so that a run can be repeated. */
export const seed = Number(process.env["LEGATE_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

export const sleep = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

/** Does something for each item, so many at a time. */
export const eachOf = async <T>(items: readonly T[], atOnce: number, act: (item: T, at: number) => Promise<void>): Promise<void> => {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const at = next;
      next += 1;
      await act(items[at] as T, at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
};
