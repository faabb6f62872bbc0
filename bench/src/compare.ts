import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { mint, mintingFor, read, sign, tokensOf } from "./asks.ts";
import { measureKeycloak } from "./keycloak.ts";
import { type Figures, load } from "./load.ts";
import type { Options } from "./options.ts";
import { type Running, startHere } from "./processes.ts";
import { measureInRounds, medianOf, requestsAt, type Row, tableOf } from "./rounds.ts";
import { type Filled, startFilled, storesHere, storesMissing, storeTitles } from "./stores.ts";
import { count, median, megabytes, milliseconds, percent, table } from "./table.ts";

const forBusy = "fresh workload token, busy agent";
const forUnseen = "fresh workload token, agent not seen before";

/** Agents whose standing the server knows because they were asked for a moment ago. */
const busyAgents = 1_000;

/** How long a server is left alone until it is idle, in milliseconds: V8 needs to see that nothing goes on before it tidies up after the start. */
const idleFor = 30_000;

/** All measures, the ceiling beside them. */
const measureStore = async (legate: Running, ceiling: Running, options: Options): Promise<readonly Row[]> => {
  const [token = ""] = await tokensOf(legate.url, [0]);
  const minting = (await mintingFor(legate.url))(Array.from({ length: busyAgents }, (_, n) => n));
  let askedBusy = 0;
  let asked = busyAgents;
  return measureInRounds(
    {
      ceiling: (at, amount) => load(ceiling.url, at, amount, sign),
      [forBusy]: (at, amount) => {
        const from = askedBusy;
        askedBusy += amount;
        return load(legate.url, at, amount, (n) => minting(from + n));
      },
      [forUnseen]: (at, amount) => {
        const from = asked;
        asked += amount;
        return load(legate.url, at, amount, (n) => mint(from + n));
      },
      "vault read of a live credential": (at, amount) => load(legate.url, at, amount, () => read(token)),
    },
    options,
  );
};

const agentsNeeded = ({ connections, requests, rounds }: Options): number =>
  busyAgents + Math.ceil(requests / 4) + rounds * connections.reduce((sum, at) => sum + requestsAt(at, requests), 0);

/** Measures each store against the ceiling, and Keycloak where it is found; prints tables of medians. */
export const compare = async (options: Options): Promise<void> => {
  const { connections, requests, rounds } = options;
  console.log(`Node ${process.version}, ${cpus().length} cores, medians of ${rounds} rounds, up to ${count(requests)} requests a run.`);
  const ceiling = await startHere("ceiling.js");
  const provider = await startHere("provider.js");
  const generator: Figures[] = [];
  /** Fresh tokens a second at the number of connections nearest to Keycloak's. */
  const minted: (readonly [what: string, rate: number])[] = [];
  const beside = connections.reduce((best, at) => (Math.abs(at - 32) < Math.abs(best - 32) ? at : best));
  try {
    for (const store of storesHere(options)) {
      const filling = { agents: agentsNeeded(options), connections: 1, users: 0, providerUrl: provider.url };
      const { legate, readyIn, close }: Filled = await startFilled(store, filling);
      try {
        const started = legate.memory();
        await sleep(idleFor);
        const idle = legate.memory();
        const rows = await measureStore(legate, ceiling, options);
        generator.push(...rows.flatMap(({ figures }) => figures));
        for (const measure of [forBusy, forUnseen]) {
          const row = rows.find((one) => one.measure === measure && one.connections === beside);
          minted.push([`Legate, ${storeTitles[store]}, ${measure}`, medianOf(row, ({ rate }) => rate)]);
        }
        console.log(`\n${storeTitles[store]}\n\n${tableOf(rows)}`);
        const before =
          started && idle ? `${started.now} MB just started, ${idle.now} MB when nobody had asked for half a minute, then ` : "";
        console.log(`\nReady ${readyIn.toFixed(2)} s after its start. Memory: ${before}${megabytes(legate.memory())}.`);
      } finally {
        await close();
      }
    }
  } finally {
    await ceiling.stop();
    await provider.stop();
  }
  for (const sentence of storesMissing(options)) console.log(`\n${sentence}`);
  const cost = median(generator.map((one) => one.cost));
  const busy = Math.max(...generator.map((one) => one.busy));
  console.log(`\nThe load generator took ${cost.toFixed(0)} us of a core for a request and was busy ${percent(busy)} of its time at most.`);
  await compareToKeycloak(options, beside, minted);
};

const compareToKeycloak = async (options: Options, connections: number, minted: readonly (readonly [string, number])[]): Promise<void> => {
  const keycloak = await measureKeycloak(options, connections);
  if ("why" in keycloak) {
    console.log(`\nKeycloak was not measured: ${keycloak.why}`);
    return;
  }
  const { figures, memory, how } = keycloak;
  const rate = median(figures.map((one) => one.rate));
  console.log(`\n${how}\n`);
  console.log(
    table(
      ["what", "connections", "grants or tokens/s", "to Keycloak", "p50 ms", "p99 ms"],
      [
        [
          "Keycloak, client credentials",
          String(connections),
          count(rate),
          "1x",
          milliseconds(median(figures.map((one) => one.p50))),
          milliseconds(median(figures.map((one) => one.p99))),
        ],
        ...minted.map(([what, tokens]) => [what, String(connections), count(tokens), `${(tokens / rate).toFixed(1)}x`, "", ""]),
      ],
    ),
  );
  console.log(`\nKeycloak's memory: ${megabytes(memory)}.`);
};
