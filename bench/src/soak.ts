import { type Outcome, paced, percentile, saturate } from "./load.ts";
import { crowdFor, makeMix, shares } from "./mix.ts";
import type { Options } from "./options.ts";
import { type Running, startHere } from "./processes.ts";
import { startFilled, storesHere, storesMissing, storeTitles, tell } from "./stores.ts";
import { count, median, milliseconds, percent, table } from "./table.ts";

const connections = 64;
const ofTopSpeed = 0.7;
/** How often the server is looked at, in milliseconds. */
const lookEvery = 5_000;
/** More open files than before by so many is no leak: connections of a pool come and go. */
const filesMayVary = 5;

/** What the server looked like at one moment; undefined where the system or the server does not tell. */
interface Look {
  /** Milliseconds since the load began. */
  readonly at: number;
  /** MB. */
  readonly resident: number | undefined;
  readonly heap: number | undefined;
  readonly files: number | undefined;
  /** The 99th percentile of the event loop's lag, in milliseconds. */
  readonly lag: number | undefined;
}

const look = async (legate: Running, at: number): Promise<Look> => {
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
    at,
    resident: legate.memory()?.now,
    heap: heap === undefined ? undefined : heap / 2 ** 20,
    files: legate.openFiles(),
    lag: lag === undefined ? undefined : lag * 1000,
  };
};

const known = (values: readonly (number | undefined)[]): number[] => values.filter((value) => value !== undefined);
const shown = (value: number): string => (Number.isFinite(value) ? count(value) : "not told");

/** What every request took: plain numbers, so that a million of them do not make the load generator stop to collect garbage. */
interface Latencies {
  readonly due: Float64Array;
  readonly latency: Float64Array;
  length: number;
}

/** One part of the time, from when to when in milliseconds. */
const part = ({ due, latency, length }: Latencies, looks: readonly Look[], from: number, to: number) => {
  const seen = looks.filter(({ at }) => at >= from && at < to);
  const inside: number[] = [];
  for (let n = 0; n < length; n += 1) {
    const at = due[n] ?? 0;
    if (at >= from && at < to) inside.push(latency[n] ?? 0);
  }
  const sorted = Float64Array.from(inside);
  const middle = (pick: (one: Look) => number | undefined) => median(known(seen.map(pick)));
  return {
    requests: inside.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    resident: middle(({ resident }) => resident),
    heap: middle(({ heap }) => heap),
    // As near as can be seen from outside to what is left after a collection: in between, the heap is as large as V8 lets garbage wait.
    leastHeap: Math.min(...known(seen.map(({ heap }) => heap))),
    files: middle(({ files }) => files),
    lag: middle(({ lag }) => lag),
  };
};

const verdict = (holds: boolean, sentence: string): string => `${holds ? "holds" : "DOES NOT HOLD"}: ${sentence}`;

const verdicts = (outcomes: Latencies, looks: readonly Look[], length: number): readonly string[] => {
  const [first, second, last] = [0, 1, 2].map((n) => part(outcomes, looks, (length * n) / 3, (length * (n + 1)) / 3));
  if (!first || !second || !last) return [];
  const slower = last.p99 / first.p99;
  const grown = last.resident / second.resident - 1;
  const more = last.files - first.files;
  return [
    verdict(slower <= 1.5, `p99 of the last third is ${slower.toFixed(2)} times that of the first (at most 1.5).`),
    ...(Number.isNaN(grown)
      ? ["not told: memory, by this system."]
      : [verdict(grown < 0.1, `memory grew by ${percent(grown)} from the second third, when all is warm, to the last (under 10%).`)]),
    ...(Number.isNaN(more)
      ? ["not told: open files, by this system."]
      : [verdict(more <= filesMayVary, `open files went from ${first.files} in the first third to ${last.files} in the last.`)]),
  ];
};

const soakStore = async (
  store: Options["stores"][number],
  { minutes, requests }: Options,
  topSeconds: number,
  providerUrl: string,
): Promise<readonly string[]> => {
  const crowd = crowdFor(requests);
  const filling = { agents: crowd.busy + crowd.others, connections: crowd.busy, users: crowd.users, providerUrl };
  const { legate, close } = await startFilled(store, filling);
  try {
    const next = await makeMix(legate.url, crowd);
    tell(`${storeTitles[store]}: finding the top speed`);
    const failures: string[] = [];
    const hear = ({ failure }: Outcome) => {
      if (failure !== undefined) failures.push(failure);
    };
    await saturate(legate.url, connections, topSeconds / 2, next, hear);
    const top = await saturate(legate.url, connections, topSeconds, next, hear);
    const rate = top * ofTopSpeed;
    const length = minutes * 60_000;
    tell(`${storeTitles[store]}: ${count(rate)} requests a second for ${minutes} minutes`);

    const most = Math.ceil((rate * length) / 1000);
    const outcomes: Latencies = { due: new Float64Array(most), latency: new Float64Array(most), length: 0 };
    const looks: Look[] = [];
    const began = performance.now();
    const looking = setInterval(
      () => void look(legate, performance.now() - began).then((one) => looks.push(one)),
      Math.min(lookEvery, length / 12),
    );
    try {
      await paced(legate.url, connections, rate, length / 1000, next, (one) => {
        outcomes.due[outcomes.length] = one.due;
        outcomes.latency[outcomes.length] = one.latency;
        outcomes.length += 1;
        hear(one);
      });
    } finally {
      clearInterval(looking);
    }
    const step = Math.min(60_000, length / 3);
    const rows = Array.from({ length: Math.ceil(length / step) }, (_, n) => {
      const { requests, p50, p99, resident, heap, leastHeap, files, lag } = part(outcomes, looks, n * step, (n + 1) * step);
      return [
        String(n + 1),
        count(requests),
        milliseconds(p50),
        milliseconds(p99),
        shown(resident),
        shown(heap),
        shown(leastHeap),
        shown(files),
        Number.isNaN(lag) ? "not told" : milliseconds(lag),
      ];
    });
    console.log(
      `\n${storeTitles[store]}: top speed ${count(top)} requests/s, soaked at ${count(rate)} (${percent(ofTopSpeed)}) for ${minutes} minutes, ${connections} connections\n`,
    );
    console.log(
      table(
        [
          step === 60_000 ? "minute" : "part",
          "requests",
          "p50 ms",
          "p99 ms",
          "resident MB",
          "heap MB",
          "least heap MB",
          "open files",
          "event loop p99 ms",
        ],
        rows,
      ),
    );
    console.log(`\n${verdicts(outcomes, looks, length).join("\n")}`);
    console.log(verdict(failures.length === 0, `${count(outcomes.length)} requests, ${failures.length} failed.`));
    return failures;
  } finally {
    await close();
  }
};

/**
 * Loads each store at 70% of its top speed for some minutes, with a bit of everything, and says whether anything crept.
 * @throws when any request was answered otherwise than it should have been
 */
export const soak = async (options: Options): Promise<void> => {
  const topSeconds = Math.min(15, options.minutes * 6);
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
