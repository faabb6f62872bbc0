import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { findPostgres, startPostgres } from "@legate/server/testing/postgres";
import { type Ask, type Figures, load } from "./load.ts";
import { type Running, startHere, startLegate } from "./processes.ts";

const connections = Number(process.env["LEGATE_BENCH_CONNECTIONS"] ?? 32);
const requests = Number(process.env["LEGATE_BENCH_REQUESTS"] ?? 20_000);
const rounds = Number(process.env["LEGATE_BENCH_ROUNDS"] ?? 3);
const adminKey = `op_${randomBytes(32).toString("hex")}`;
const json = { "content-type": "application/json" };

/** What one store did in every round. */
interface Row {
  readonly what: string;
  readonly figures: readonly Figures[];
  readonly ratios: readonly number[];
  readonly memory: string;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** A provider that gives everybody a token for an hour, so that the vault has something live to read. */
const startProvider = async () => {
  const server = createServer((_, response) => {
    response
      .writeHead(200, json)
      .end(JSON.stringify({ access_token: randomBytes(24).toString("hex"), token_type: "Bearer", expires_in: 3600 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => server.close() };
};

const post = async <T>(url: string, path: string, key: string, body: object): Promise<T> => {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { ...json, authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
};

const asking = (path: string, key: string, body: (n: number) => object): ((n: number) => Ask) => {
  const headers = { ...json, authorization: `Bearer ${key}` };
  return (n) => ({ method: "POST", path, headers, body: JSON.stringify(body(n)) });
};

/** Every mint is fresh: each asks for another agent, and no agent is asked for twice. */
const measure = async (name: string, legate: Running, ceiling: Running, providerUrl: string): Promise<readonly Row[]> => {
  const { url } = legate;
  const total = requests * rounds;
  console.error(`${name}: registering ${total.toLocaleString("en")} agents`);
  await load(
    url,
    connections,
    total,
    asking("/v1/agents", adminKey, (n) => ({ name: `bench-${n}` })),
  );
  await post(url, "/v1/credential-providers", adminKey, {
    name: "bench",
    type: "oauth2",
    clientId: "bench",
    clientSecret: "bench",
    tokenEndpoint: `${providerUrl}/token`,
    authorizationEndpoint: `${providerUrl}/authorize`,
  });
  const { token } = await post<{ token: string }>(url, "/v1/workload-tokens", adminKey, { agent: "bench-0", userId: "bench" });
  const read = asking("/v1/credentials/oauth2", token, () => ({ provider: "bench", flow: "M2M" }));
  await load(url, connections, 2_000, read);
  await load(
    ceiling.url,
    connections,
    5_000,
    asking("/sign", "none", () => ({})),
  );

  const mints: Figures[] = [];
  const reads: Figures[] = [];
  const ceilings: Figures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    console.error(`${name}: round ${round + 1} of ${rounds}`);
    ceilings.push(
      await load(
        ceiling.url,
        connections,
        requests,
        asking("/sign", "none", (n) => ({ agent: `bench-${n}` })),
      ),
    );
    mints.push(
      await load(
        url,
        connections,
        requests,
        asking("/v1/workload-tokens", adminKey, (n) => ({ agent: `bench-${round * requests + n}` })),
      ),
    );
    reads.push(await load(url, connections, requests, read));
  }
  const memory = legate.memory();
  const ratios = (figures: readonly Figures[]) => figures.map(({ rate }, round) => rate / (ceilings[round]?.rate ?? Number.NaN));
  const told = memory ? `${memory.now} MB, ${memory.peak} MB at most` : "not told";
  return [
    { what: `ceiling beside ${name}`, figures: ceilings, ratios: ratios(ceilings), memory: "" },
    { what: `fresh workload token, ${name}`, figures: mints, ratios: ratios(mints), memory: told },
    { what: `vault read of a live credential, ${name}`, figures: reads, ratios: ratios(reads), memory: told },
  ];
};

const table = (rows: readonly Row[]): string =>
  [
    "| what | requests/s (median of rounds) | to the ceiling | p50 ms | p99 ms | memory |",
    "|---|---|---|---|---|---|",
    ...rows.map(({ what, figures, ratios, memory }) => {
      const of = (pick: (figure: Figures) => number) => median(figures.map(pick));
      return `| ${what} | ${Math.round(of(({ rate }) => rate)).toLocaleString("en")} | ${(median(ratios) * 100).toFixed(0)}% | ${of(({ p50 }) => p50)} | ${of(({ p99 }) => p99)} | ${memory} |`;
    }),
  ].join("\n");

const provider = await startProvider();
const ceiling = await startHere("ceiling.js");
const rows: Row[] = [];
const programs = findPostgres();
const ownPostgres = programs === undefined ? undefined : await startPostgres(programs, true);
const postgres = ownPostgres?.url;
const common = { LEGATE_PORT: "0", LEGATE_ADMIN_KEY: adminKey, LEGATE_EGRESS_ALLOW: "127.0.0.1", LEGATE_LOG_LEVEL: "warn" };
const stores: readonly (readonly [name: string, env: Readonly<Record<string, string>>])[] = [
  ["SQLite", {}],
  ...(postgres === undefined
    ? []
    : [["PostgreSQL", { LEGATE_DATABASE_URL: postgres, LEGATE_MASTER_KEY: randomBytes(32).toString("hex") }] as const]),
];
for (const [name, env] of stores) {
  const directory = mkdtempSync(join(tmpdir(), "legate-bench-"));
  const legate = await startLegate({ ...common, ...env, LEGATE_DATA_DIR: directory });
  try {
    const idle = legate.memory();
    rows.push(...(await measure(name, legate, ceiling, provider.url)));
    if (idle) console.error(`${name}: ${idle.now} MB idle after start`);
  } finally {
    await legate.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
await ceiling.stop();
await ownPostgres?.stop();
provider.stop();
console.log(
  `Node ${process.version}, ${cpus().length} cores, ${connections} connections, ${rounds} rounds of ${requests.toLocaleString("en")} requests each.\n`,
);
console.log(table(rows));
if (postgres === undefined) console.log("\nPostgreSQL was not measured: no PostgreSQL was found on this machine.");
