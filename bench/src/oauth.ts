import { cpus } from "node:os";
import { post, sign } from "./asks.ts";
import { load } from "./load.ts";
import type { Options } from "./options.ts";
import { type Running, startHere } from "./processes.ts";
import { measureInRounds, type Row, tableOf } from "./rounds.ts";
import { adminKey, startFilled, storesHere, storesMissing, storeTitles } from "./stores.ts";
import { count, megabytes } from "./table.ts";
import type { Ask } from "./wire.ts";

const resource = "https://bench.example.com";
const scope = "bench:use";
/** Agents that ask in turn, each with a secret of its own. */
const clients = 200;

const grantOf = (clientId: string, secret: string, form: Readonly<Record<string, string>>, path = "/oauth2/token"): Ask => ({
  method: "POST",
  path,
  headers: {
    "content-type": "application/x-www-form-urlencoded",
    authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString("base64")}`,
  },
  body: new URLSearchParams(form).toString(),
});

interface Secret {
  readonly clientId: string;
  readonly clientSecret: string;
}

const alone = { grant_type: "client_credentials", scope, resource };

/** Makes agents with secrets, and a resource whose servers they are; answers each agent's secret and one of its access tokens. */
const register = async (url: string): Promise<{ readonly secrets: readonly Secret[]; readonly tokens: readonly string[] }> => {
  const json = (body: Buffer): unknown => JSON.parse(body.toString("utf8"));
  const secrets: Secret[] = [];
  const tokens: string[] = [];
  const named = (n: number) => `oauth-${n}`;
  await load(url, 16, clients, (n) => post("/v1/agents", adminKey, { name: named(n), labels: { bench: "" } }));
  await load(
    url,
    16,
    clients,
    (n) => post(`/v1/agents/${named(n)}/client-secrets`, adminKey, {}),
    (n, { body }) => {
      secrets[n] = json(body) as Secret;
    },
  );
  await load(url, 1, 1, () =>
    post("/v1/resources", adminKey, { name: "bench", identifier: resource, servers: ["label:bench"], scopes: [{ name: scope }] }),
  );
  await load(
    url,
    16,
    clients,
    (n) => grantOf(secrets[n]?.clientId ?? "", secrets[n]?.clientSecret ?? "", alone),
    (n, { body }) => {
      tokens[n] = (json(body) as { access_token: string }).access_token;
    },
  );
  return { secrets, tokens };
};

const measureStore = async (legate: Running, ceiling: Running, peer: Running, options: Options): Promise<readonly Row[]> => {
  const { secrets, tokens } = await register(legate.url);
  const asAgent = (n: number, form: Readonly<Record<string, string>>): Ask => {
    const { clientId, clientSecret } = secrets[n % clients] as Secret;
    return grantOf(clientId, clientSecret, form);
  };
  return measureInRounds(
    {
      ceiling: (at, amount) => load(ceiling.url, at, amount, sign),
      "client credentials": (at, amount) => load(legate.url, at, amount, (n) => asAgent(n, alone)),
      // Each time the token of another agent, which was sent to the resource that the asking agent is.
      "token exchange": (at, amount) =>
        load(legate.url, at, amount, (n) =>
          asAgent(n, {
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token: tokens[(n + 1) % clients] ?? "",
            subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
            resource,
          }),
        ),
      "oidc-provider, client credentials": (at, amount) =>
        load(peer.url, at, amount, () => grantOf("bench", "a-secret-of-the-bench", alone, "/token")),
    },
    options,
  );
};

/** Measures the token endpoint on each store against the ceiling, with oidc-provider in the same rounds; prints tables of medians. */
export const oauth = async (options: Options): Promise<void> => {
  const { requests, rounds } = options;
  console.log(`Node ${process.version}, ${cpus().length} cores, medians of ${rounds} rounds, up to ${count(requests)} requests a run.`);
  const ceiling = await startHere("ceiling.js");
  const provider = await startHere("provider.js");
  const peer = await startHere("peer.js");
  try {
    for (const store of storesHere(options)) {
      const { legate, close } = await startFilled(store, { agents: 10, connections: 1, users: 0, providerUrl: provider.url });
      try {
        const rows = await measureStore(legate, ceiling, peer, options);
        console.log(`\n${storeTitles[store]}\n\n${tableOf(rows)}`);
        console.log(`\nMemory: Legate ${megabytes(legate.memory())}; oidc-provider ${megabytes(peer.memory())}.`);
      } finally {
        await close();
      }
    }
  } finally {
    await ceiling.stop();
    await provider.stop();
    await peer.stop();
  }
  for (const sentence of storesMissing(options)) console.log(`\n${sentence}`);
};
