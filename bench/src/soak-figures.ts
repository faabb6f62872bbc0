import { percentile } from "./load.ts";
import type { Weight } from "./processes.ts";
import { count, median, milliseconds, percent, table } from "./table.ts";

/** More open files than before by so many is no leak: connections of a pool come and go. */
const filesMayVary = 5;
/** A third is cut into so many windows. */
const windows = 20;

/** What every request took: plain numbers, so that a million of them do not make the load generator stop to collect garbage. */
export interface Latencies {
  /** When each should have been sent, in milliseconds of load. */
  readonly due: Float64Array;
  readonly latency: Float64Array;
  length: number;
}

/** What there was to see at one moment; undefined where the system or the server does not tell. */
export interface Look {
  /** Milliseconds of load. */
  readonly at: number;
  /** MB. */
  readonly resident: number | undefined;
  readonly heap: number | undefined;
  readonly files: number | undefined;
  /** The 99th percentile of the event loop's lag, in milliseconds. */
  readonly lag: number | undefined;
  /** The longest of some writes of 4 KiB that somebody else synced to the same disk in this moment, in milliseconds. */
  readonly disk: number;
}

/** All that a soak has seen. */
export interface Seen {
  readonly outcomes: Latencies;
  readonly looks: readonly Look[];
  /** What was left by a collection after each third. */
  readonly weights: readonly (Weight | undefined)[];
  /** Milliseconds of load in all. */
  readonly length: number;
}

const known = (values: readonly (number | undefined)[]): number[] => values.filter((value) => value !== undefined);
const shown = (value: number, form: (value: number) => string = count): string => (Number.isFinite(value) ? form(value) : "not told");

/** What requests took that were due between two moments. */
const between = ({ due, latency, length }: Latencies, from: number, to: number): Float64Array =>
  latency.subarray(0, length).filter((_, n) => (due[n] ?? 0) >= from && (due[n] ?? 0) < to);

/** The figures of a soak, minute by minute; of thirds where it was shorter than that. */
export const minutesOf = ({ outcomes, looks, length }: Seen): string => {
  const step = Math.min(60_000, length / 3);
  const rows = Array.from({ length: Math.ceil(length / step) }, (_, n) => {
    const latencies = between(outcomes, n * step, (n + 1) * step);
    const seen = looks.filter(({ at }) => at >= n * step && at < (n + 1) * step);
    const middle = (pick: (one: Look) => number | undefined) => median(known(seen.map(pick)));
    return [
      String(n + 1),
      count(latencies.length),
      milliseconds(percentile(latencies, 0.5)),
      milliseconds(percentile(latencies, 0.99)),
      shown(middle(({ resident }) => resident)),
      shown(middle(({ heap }) => heap)),
      shown(middle(({ files }) => files)),
      shown(
        middle(({ lag }) => lag),
        milliseconds,
      ),
      shown(Math.max(...seen.map(({ disk }) => disk)), milliseconds),
    ];
  });
  const head = ["requests", "p50 ms", "p99 ms", "resident MB", "heap MB", "open files", "event loop p99 ms", "disk, longest ms"];
  return table([step === 60_000 ? "minute" : "third", ...head], rows);
};

const verdict = (holds: boolean, sentence: string): string => `${holds ? "holds" : "DOES NOT HOLD"}: ${sentence}`;

/**
 * Whether anything crept, a sentence for each. The p99 of a third is the median of those of its windows: what creeps is in every window, and a disk or a
 * machine that stands still for half a second is in one; the table shows that one too.
 */
export const verdictsOf = ({ outcomes, looks, weights, length }: Seen): readonly string[] => {
  const third = length / 3;
  const p99 = (n: number) =>
    median(
      Array.from({ length: windows }, (_, window) => {
        const from = n * third + (window * third) / windows;
        return percentile(between(outcomes, from, from + third / windows), 0.99);
      }),
    );
  const files = (n: number) => median(known(looks.filter(({ at }) => at >= n * third && at < (n + 1) * third).map(({ files }) => files)));
  const slower = p99(2) / p99(0);
  const more = files(2) - files(0);
  const grown = (what: string, pick: (weight: Weight) => number) => {
    const [first, second, last] = weights.map((weight) => weight && pick(weight));
    if (first === undefined || second === undefined || last === undefined) return `not told: ${what}, by this system.`;
    // What is remembered comes and goes, by some megabytes; what leaks is more after each third than after the one before.
    const growth = last / Math.max(first, second) - 1;
    return verdict(
      growth < 0.1,
      `${what} ${first}, ${second}, ${last} MB after each third: ${percent(growth)} more after the last than ever before (under 10%).`,
    );
  };
  return [
    verdict(
      slower <= 1.5,
      `p99 of the last third is ${slower.toFixed(2)} times that of the first, ${milliseconds(p99(2))} to ${milliseconds(p99(0))} ms (at most 1.5).`,
    ),
    grown("memory held, all garbage collected,", ({ held }) => held),
    grown("resident memory, all garbage collected,", ({ resident }) => resident),
    Number.isNaN(more)
      ? "not told: open files, by this system."
      : verdict(more <= filesMayVary, `open files went from ${files(0)} in the first third to ${files(2)} in the last.`),
  ];
};
