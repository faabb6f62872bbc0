import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mint, read, tokensOf } from "./asks.ts";
import { load } from "./load.ts";
import type { Options } from "./options.ts";
import { startHere } from "./processes.ts";
import { startFilled, storesHere, storesMissing, storeTitles, tell } from "./stores.ts";
import { count, table } from "./table.ts";

/** What V8 writes, as far as it is read here. Times are microseconds of the machine's monotonic clock. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}
type Node = CpuProfile["nodes"][number];

const now = (): number => Number(process.hrtime.bigint() / 1000n);
const connections = 32;
const groupsShown = 14;
const functionsShown = 15;

/** Whose work it is: a package, a room of ours, or a part of Node. */
const groupOf = ({ functionName, url }: Node["callFrame"]): string => {
  if (functionName === "(garbage collector)") return "garbage collection";
  if (functionName === "(program)") return "outside JavaScript: system calls, threads";
  const [, found] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (found !== undefined) return found === "libsql" || found === "pg" || found.startsWith("pg-") ? `the driver (${found})` : found;
  const [, room] = /\/server\/dist\/((?:\w+\/[\w-]+)|[\w-]+)/.exec(url) ?? [];
  if (room !== undefined) return `ours: ${room}`;
  if (url.startsWith("node:internal/crypto")) return "node: crypto";
  if (/^node:(?:_http|internal\/http|http)/.test(url)) return "node: http";
  if (/^node:(?:net|internal\/(?:stream|js_stream)|stream|internal\/streams)/.test(url)) return "node: sockets and streams";
  if (url.startsWith("node:")) return "node: else";
  return "";
};

/** Native functions have no file: their work is their caller's. */
const groupsOf = ({ nodes }: CpuProfile): ReadonlyMap<number, string> => {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const groups = new Map<number, string>();
  const walk = (id: number, parent: string): void => {
    const node = byId.get(id);
    if (!node) return;
    const group = groupOf(node.callFrame) || parent;
    groups.set(id, group);
    for (const child of node.children ?? []) walk(child, group);
  };
  for (const { id, callFrame } of nodes) if (callFrame.functionName === "(root)") walk(id, "elsewhere");
  return groups;
};

interface Costs {
  /** Microseconds that were sampled while the server was not idle. */
  readonly total: number;
  readonly groups: ReadonlyMap<string, number>;
  readonly functions: ReadonlyMap<string, number>;
}

const costsBetween = (profile: CpuProfile, from: number, to: number): Costs => {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const groupById = groupsOf(profile);
  const groups = new Map<string, number>();
  const functions = new Map<string, number>();
  let total = 0;
  let at = profile.startTime;
  for (const [n, id] of profile.samples.entries()) {
    at += profile.timeDeltas[n] ?? 0;
    const node = byId.get(id);
    if (!node || at < from || at > to || node.callFrame.functionName === "(idle)") continue;
    // A sample stands for the time until the next one.
    const spent = profile.timeDeltas[n + 1] ?? 0;
    const { functionName, url, lineNumber } = node.callFrame;
    const group = groupById.get(id) ?? "elsewhere";
    const place = url === "" ? "native" : `${url.split("/").slice(-2).join("/")}:${lineNumber + 1}`;
    const name =
      functionName.startsWith("(") && functionName !== "(anonymous)"
        ? functionName
        : `${functionName || "(anonymous)"} (${place}), ${group}`;
    total += spent;
    groups.set(group, (groups.get(group) ?? 0) + spent);
    functions.set(name, (functions.get(name) ?? 0) + spent);
  }
  return { total, groups, functions };
};

const largest = (costs: ReadonlyMap<string, number>, amount: number) => [...costs].sort(([, a], [, b]) => b - a).slice(0, amount);

const printCosts = (title: string, { total, groups, functions }: Costs, requests: number): void => {
  const row = ([name, spent]: readonly [string, number]) => [name, `${((spent / total) * 100).toFixed(1)}%`, (spent / requests).toFixed(1)];
  console.log(`\n${title}: ${(total / requests).toFixed(0)} us a request\n`);
  console.log(table(["whose work", "share", "us a request"], largest(groups, groupsShown).map(row)));
  console.log(`\n${table(["function by its own time", "share", "us a request"], largest(functions, functionsShown).map(row))}`);
};

const profileStore = async (store: Options["stores"][number], requests: number, providerUrl: string): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "legate-bench-profile-"));
  const filling = { agents: requests * 2 + 1, connections: 1, users: 0, providerUrl };
  try {
    const { legate, close } = await startFilled(store, filling, ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=400"]);
    const spans: (readonly [title: string, from: number, to: number])[] = [];
    try {
      const [token = ""] = await tokensOf(legate.url, [0]);
      const timed = async (title: string, run: () => Promise<unknown>) => {
        tell(`${storeTitles[store]}: ${title}`);
        const from = now();
        await run();
        spans.push([title, from, now()]);
      };
      await load(legate.url, connections, requests, (n) => mint(1 + n));
      await timed("fresh workload token", () => load(legate.url, connections, requests, (n) => mint(1 + requests + n)));
      await load(legate.url, connections, requests, () => read(token));
      await timed("vault read of a live credential", () => load(legate.url, connections, requests, () => read(token)));
    } finally {
      await close();
    }
    const [file = ""] = readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"));
    const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile;
    for (const [title, from, to] of spans) printCosts(`${storeTitles[store]}, ${title}`, costsBetween(profile, from, to), requests);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Tells where the server's own time goes while it mints and reads; time spent inside PostgreSQL is not in it. */
export const profile = async (options: Options): Promise<void> => {
  const provider = await startHere("provider.js");
  console.log(`${count(options.requests)} requests of each kind over ${connections} connections, after as many to warm up.`);
  try {
    for (const store of storesHere(options)) await profileStore(store, options.requests, provider.url);
  } finally {
    await provider.stop();
  }
  for (const sentence of storesMissing(options)) console.log(`\n${sentence}`);
};
