import { watchDisk } from "./disk.ts";
import { type Outcome, paced, saturate } from "./load.ts";
import { crowdFor, makeMix, shares } from "./mix.ts";
import type { Options } from "./options.ts";
import { type Running, startHere, type Weight, weighable } from "./processes.ts";
import { type Latencies, type Look, minutesOf, verdictsOf } from "./soak-figures.ts";
import { startFilled, storesHere, storesMissing, storeTitles, tell } from "./stores.ts";
import { count, percent } from "./table.ts";

const connections = 64;
const ofTopSpeed = 0.7;
/** How often the server is looked at, in milliseconds. */
const lookEvery = 5_000;

const look = async (legate: Running): Promise<Omit<Look, "at" | "disk">> => {
  const metrics = await fetch(`${legate.url}/metrics`).then(
    (answer) => (answer.ok ? answer.text() : ""),
    () => "",
  );
  const metric = (name: string): number | undefined => {
    const text = new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1];
    return text === undefined ? undefined : Number(text);
  };
  const heap = metric("nodejs_heap_size_used_bytes");
  const lag = metric("nodejs_eventloop_lag_p99_seconds");
  return {
    resident: legate.memory()?.now,
    heap: heap === undefined ? undefined : heap / 2 ** 20,
    files: legate.openFiles(),
    lag: lag === undefined ? undefined : lag * 1000,
  };
};

const soakStore = async (
  store: Options["stores"][number],
  { minutes, requests }: Options,
  topSeconds: number,
  providerUrl: string,
): Promise<readonly string[]> => {
  const crowd = crowdFor(requests);
  const filling = { agents: crowd.busy + crowd.others, connections: crowd.busy, users: crowd.users, providerUrl };
  const { legate, close } = await startFilled(store, filling, weighable);
  const disk = watchDisk();
  try {
    const next = await makeMix(legate.url, crowd);
    tell(`${storeTitles[store]}: finding the top speed`);
    const failures: string[] = [];
    const hear = ({ failure }: Outcome) => {
      if (failure !== undefined) failures.push(failure);
    };
    await saturate(legate.url, connections, topSeconds / 4, next, hear);
    const top = await saturate(legate.url, connections, topSeconds, next, hear);
    const rate = top * ofTopSpeed;
    const length = minutes * 60_000;
    tell(`${storeTitles[store]}: ${count(rate)} requests a second for ${minutes} minutes`);

    const most = Math.ceil((rate * length) / 1000);
    const outcomes: Latencies = { due: new Float64Array(most), latency: new Float64Array(most), length: 0 };
    const looks: Look[] = [];
    const weights: (Weight | undefined)[] = [];
    for (const before of [0, length / 3, (length * 2) / 3]) {
      const began = performance.now();
      const looking = setInterval(
        () => {
          const at = before + performance.now() - began;
          void look(legate).then((one) => looks.push({ ...one, at, disk: disk.longest() }));
        },
        Math.min(lookEvery, length / 12),
      );
      try {
        await paced(legate.url, connections, rate, length / 3000, next, (one) => {
          outcomes.due[outcomes.length] = before + one.due;
          outcomes.latency[outcomes.length] = one.latency;
          outcomes.length += 1;
          hear(one);
        });
      } finally {
        clearInterval(looking);
      }
      // Between the thirds, for a collection stops the server. Until then garbage waits for as long as V8 likes, which says nothing of what is kept.
      weights.push(await legate.weigh());
    }
    console.log(
      `\n${storeTitles[store]}: top speed ${count(top)} requests/s, soaked at ${count(rate)} (${percent(ofTopSpeed)}) for ${minutes} minutes, ${connections} connections\n`,
    );
    const seen = { outcomes, looks, weights, length };
    console.log(`${minutesOf(seen)}\n\n${verdictsOf(seen).join("\n")}`);
    console.log(`${failures.length === 0 ? "holds" : "DOES NOT HOLD"}: ${count(outcomes.length)} requests, ${failures.length} failed.`);
    return failures;
  } finally {
    await disk.stop();
    await close();
  }
};

/**
 * Loads each store at 70% of its top speed for some minutes, with a bit of everything, and says whether anything crept.
 * @throws when any request was answered otherwise than it should have been
 */
export const soak = async (options: Options): Promise<void> => {
  // Some ten seconds are faster or slower than others, by a third.
  const topSeconds = Math.min(60, options.minutes * 6);
  const provider = await startHere("provider.js");
  const failures: string[] = [];
  console.log(
    `Of a hundred requests: ${Object.entries(shares)
      .map(([kind, share]) => `${share} ${kind}`)
      .join(", ")}.`,
  );
  try {
    for (const store of storesHere(options)) failures.push(...(await soakStore(store, options, topSeconds, provider.url)));
  } finally {
    await provider.stop();
  }
  for (const sentence of storesMissing(options)) console.log(`\n${sentence}`);
  if (failures.length > 0) throw new Error(`${failures.length} requests failed; the first: ${failures[0]}`);
};
