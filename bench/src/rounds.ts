import type { Figures } from "./load.ts";
import type { Options } from "./options.ts";
import { tell } from "./stores.ts";
import { count, median, milliseconds, percent, table } from "./table.ts";

/** One measure at one number of connections, round by round. */
export interface Row {
  readonly measure: string;
  readonly connections: number;
  readonly figures: Figures[];
}

/** Sends so many requests by so many connections. */
export type Run = (connections: number, requests: number) => Promise<Figures>;

/** With one connection a run takes many times as long, and needs fewer requests to be as certain. */
export const requestsAt = (connections: number, requests: number): number => Math.ceil(requests * Math.min(1, connections / 8));

/** Runs every measure at every number of connections, in rounds, so that a machine that is slower for a while is so for all of them. */
export const measureInRounds = async (
  runs: Readonly<Record<string, Run>>,
  { connections, requests, rounds }: Options,
): Promise<readonly Row[]> => {
  const measured = Object.entries(runs);
  for (const [, run] of measured) await run(Math.max(...connections), Math.ceil(requests / 4));
  const rows = connections.flatMap((at) =>
    measured.map(([measure, run]) => ({ measure, connections: at, figures: new Array<Figures>(), run })),
  );
  for (let round = 0; round < rounds; round += 1) {
    tell(`  round ${round + 1} of ${rounds}`);
    for (const row of rows) row.figures.push(await row.run(row.connections, requestsAt(row.connections, requests)));
  }
  return rows;
};

/** The median over the rounds. */
export const medianOf = (row: Row | undefined, pick: (figures: Figures) => number): number => median(row?.figures.map(pick) ?? []);

/** Rate by rate within each round. */
const toCeiling = (row: Row, ceiling: Row | undefined): number =>
  median(row.figures.map(({ rate }, round) => rate / (ceiling?.figures[round]?.rate ?? Number.NaN)));

/** Medians, measure by measure, each beside that of the measure `ceiling`. */
export const tableOf = (rows: readonly Row[]): string =>
  table(
    ["what", "connections", "requests/s", "to the ceiling", "p50 ms", "p99 ms"],
    [...new Set(rows.map(({ measure }) => measure))]
      .flatMap((measure) => rows.filter((row) => row.measure === measure))
      .map((row) => {
        const ceiling = rows.find((other) => other.measure === "ceiling" && other.connections === row.connections);
        return [
          row.measure,
          String(row.connections),
          count(medianOf(row, ({ rate }) => rate)),
          percent(toCeiling(row, ceiling)),
          milliseconds(medianOf(row, ({ p50 }) => p50)),
          milliseconds(medianOf(row, ({ p99 }) => p99)),
        ];
      }),
  );
