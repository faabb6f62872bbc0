import { callers, mintingFor, read, tokensOf } from "./asks.ts";
import { type Figures, load } from "./load.ts";
import type { Options } from "./options.ts";
import { startHere } from "./processes.ts";
import { startFilled, storesHere, storesMissing, storeTitles, tell } from "./stores.ts";
import { count, median, megabytes, milliseconds, percent, table } from "./table.ts";
import type { Ask } from "./wire.ts";

const connections = 32;
/** Agents that are busy at a time. */
const busyOf = (requests: number): number => Math.min(5_000, requests);
/** More than any cache of the server holds, so that in turn none is found there. */
const allOf = (requests: number): number => Math.min(25_000, requests * 2);

/** What one request finds. */
type Case = "mint, busy agents" | "mint, every time another agent" | "read, busy agents" | "read, every time another agent";

/** One store under measurement. */
interface Size {
  readonly agents: number;
  readonly filledIn: number;
  readonly memory: () => string;
  readonly runs: ReadonlyMap<Case, () => Promise<Figures>>;
  readonly figures: ReadonlyMap<Case, Figures[]>;
  readonly close: () => Promise<void>;
}

/** Agents spread over the whole store: a step that has no factor in common with the size visits each once. */
const spread = (agents: number, amount: number): readonly number[] => {
  const step = 611_953;
  return Array.from({ length: amount }, (_, n) => (n * step) % agents);
};

/** A server on a store of this size, with callers and tokens made, ready to be measured. */
const prepare = async (store: Options["stores"][number], agents: number, { requests }: Options, providerUrl: string): Promise<Size> => {
  const { legate, filledIn, close } = await startFilled(store, { agents, connections: agents, users: 0, providerUrl });
  try {
    const { url } = legate;
    tell(`${storeTitles[store]}, ${count(agents)} agents: making callers, and tokens to read with`);
    const minting = await mintingFor(url);
    const busy = spread(agents, Math.min(busyOf(requests), agents));
    const all = spread(agents, Math.min(allOf(requests), agents));
    const busyTokens = await tokensOf(url, busy);
    const allTokens = agents > busyOf(requests) ? await tokensOf(url, all) : [];

    let asked = 0;
    const run = async (ask: (n: number) => Ask): Promise<Figures> => {
      const from = asked;
      asked += requests;
      return load(url, connections, requests, (n) => ask(from + n));
    };
    const reading = (tokens: readonly string[]) => () => run((n) => read(tokens[n % tokens.length] ?? ""));
    const runs = new Map<Case, () => Promise<Figures>>([
      ["mint, busy agents", () => run(minting(busy))],
      ["read, busy agents", reading(busyTokens)],
      ...(allTokens.length === 0
        ? []
        : ([
            ["mint, every time another agent", () => run(minting(all))],
            ["read, every time another agent", reading(allTokens)],
          ] as const)),
    ]);
    for (const go of [...runs.values()].slice(0, 2)) await go();
    const figures = new Map([...runs.keys()].map((name): [Case, Figures[]] => [name, []]));
    return { agents, filledIn, memory: () => megabytes(legate.memory()), runs, figures, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** What the same request did on the small store: there all agents are busy ones. */
const sameOn = ({ figures }: Size, name: Case): readonly Figures[] =>
  figures.get(name) ?? figures.get(name.startsWith("mint") ? "mint, busy agents" : "read, busy agents") ?? [];

const rowsOf = (few: Size, one: Size): readonly (readonly string[])[] =>
  [...one.figures].map(([name, figures]) => [
    name,
    count(one.agents),
    count(median(figures.map(({ rate }) => rate))),
    percent(median(figures.map(({ rate }, round) => rate / (sameOn(few, name)[round]?.rate ?? Number.NaN)))),
    milliseconds(median(figures.map(({ p50 }) => p50))),
    milliseconds(median(figures.map(({ p99 }) => p99))),
  ]);

const largeStore = async (store: Options["stores"][number], options: Options, providerUrl: string): Promise<void> => {
  const { rounds, requests, sizes } = options;
  const opened: Size[] = [];
  try {
    // Both stand at the same time and are measured in turn, so that a machine that is slower for a while is so for both.
    for (const size of sizes) opened.push(await prepare(store, size, options, providerUrl));
    for (let round = 0; round < rounds; round += 1) {
      tell(`  round ${round + 1} of ${rounds}`);
      for (const { runs, figures } of opened) for (const [name, go] of runs) figures.get(name)?.push(await go());
    }
    const [few, many] = opened;
    if (!few || !many) return;
    console.log(
      `\n${storeTitles[store]}, ${connections} connections, medians of ${rounds} rounds of ${count(requests)} requests, ${callers} callers\n`,
    );
    console.log(
      table(
        ["what", "agents and connections", "requests/s", `to ${count(few.agents)} agents`, "p50 ms", "p99 ms"],
        [...rowsOf(few, few), ...rowsOf(few, many)],
      ),
    );
    console.log(
      `\nFilling in ${count(many.agents)} agents and connections took ${many.filledIn.toFixed(0)} s. Memory: ${few.memory()} with ${count(few.agents)}; ${many.memory()} with ${count(many.agents)}.`,
    );
  } finally {
    for (const { close } of opened) await close();
  }
};

/** The same requests on a small and on a large store: what a request costs must not depend on how much is stored. */
export const large = async (options: Options): Promise<void> => {
  const provider = await startHere("provider.js");
  try {
    for (const store of storesHere(options)) await largeStore(store, options, provider.url);
  } finally {
    await provider.stop();
  }
  for (const sentence of storesMissing(options)) console.log(`\n${sentence}`);
};
