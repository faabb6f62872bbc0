import { cpus } from "node:os";
import { signRequest } from "@legate/server/testing/acs3";
import { filledAgent } from "@legate/server/testing/fill";
import { post, read, sign, tokensOf } from "./asks.ts";
import { load } from "./load.ts";
import type { Options } from "./options.ts";
import { type Running, startHere } from "./processes.ts";
import { measureInRounds, type Row, tableOf } from "./rounds.ts";
import { adminKey, startFilled, storesHere, storesMissing, storeTitles } from "./stores.ts";
import { count, megabytes } from "./table.ts";
import type { Ask } from "./wire.ts";

/** Agents that ask in turn, each with a live credential of its own, a key, and a role's key. */
const agents = 200;

interface Key {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string;
}

const version = "2025-11-27";

/** A call as the original client signs it. */
const signed = (url: string, key: Key, action: string, body: Readonly<Record<string, string>>): Ask => {
  const { host } = new URL(url);
  const { accessKeyId, accessKeySecret: secret, securityToken } = key;
  const request = signRequest({ accessKeyId, secret, securityToken, version, action, body, headers: { host } });
  const { host: _, ...headers } = request.headers;
  return { method: "POST", path: "/", headers, body: request.body.toString("utf8") };
};

const unsigned = (action: string, body: Readonly<Record<string, string>>): Ask => ({
  method: "POST",
  path: "/",
  headers: { "x-acs-action": action, "x-acs-version": version, "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams(body).toString(),
});

interface Registered {
  readonly tokens: readonly string[];
  readonly lasting: readonly Key[];
  readonly temporary: readonly Key[];
}

/** Gives each agent a key and a role, and has each take its role on. */
const register = async (url: string): Promise<Registered> => {
  const json = (body: Buffer): unknown => JSON.parse(body.toString("utf8"));
  const lasting: Key[] = [];
  const temporary: Key[] = [];
  const named = Array.from({ length: agents }, (_, n) => n);
  await load(url, 16, agents, (n) => ({
    ...post(`/v1/agents/${filledAgent(n)}`, adminKey, { roleArn: "acs:ram::9999999999999999:role/bench" }),
    method: "PATCH",
  }));
  const tokens = await tokensOf(url, named);
  await load(
    url,
    16,
    agents,
    (n) => post("/v1/access-keys", adminKey, { rights: { agent: filledAgent(n) } }),
    (n, { body }) => {
      lasting[n] = json(body) as Key;
    },
  );
  await load(
    url,
    16,
    agents,
    (n) => unsigned("AssumeRoleForWorkloadIdentity", { WorkloadAccessToken: tokens[n] ?? "", RoleSessionName: "bench" }),
    (n, { body }) => {
      const { Credentials: given } = json(body) as { Credentials: Record<"AccessKeyId" | "AccessKeySecret" | "SecurityToken", string> };
      temporary[n] = { accessKeyId: given.AccessKeyId, accessKeySecret: given.AccessKeySecret, securityToken: given.SecurityToken };
    },
  );
  return { tokens, lasting, temporary };
};

const measureStore = async (legate: Running, ceiling: Running, options: Options): Promise<readonly Row[]> => {
  const { tokens, lasting, temporary } = await register(legate.url);
  const spending = (keys: readonly Key[]) => (n: number) =>
    signed(legate.url, keys[n % agents] as Key, "GetResourceOAuth2Token", {
      OAuth2Flow: "M2M",
      ResourceCredentialProviderName: "live",
      WorkloadAccessToken: tokens[n % agents] ?? "",
    });
  return measureInRounds(
    {
      ceiling: (at, amount) => load(ceiling.url, at, amount, sign),
      "native read": (at, amount) => load(legate.url, at, amount, (n) => read(tokens[n % agents] ?? "")),
      "GetResourceOAuth2Token, agent's key": (at, amount) => load(legate.url, at, amount, spending(lasting)),
      "GetResourceOAuth2Token, temporary key": (at, amount) => load(legate.url, at, amount, spending(temporary)),
    },
    options,
  );
};

/**
 * Measures GetResourceOAuth2Token of a live credential, signed as the original client signs it, by the agent's own key and by its role's, against the
 * ceiling and against the same read on Legate's own wire; prints tables of medians.
 */
export const alibaba = async (options: Options): Promise<void> => {
  const { requests, rounds } = options;
  console.log(`Node ${process.version}, ${cpus().length} cores, medians of ${rounds} rounds, up to ${count(requests)} requests a run.`);
  const ceiling = await startHere("ceiling.js");
  const provider = await startHere("provider.js");
  try {
    for (const store of storesHere(options)) {
      const { legate, close } = await startFilled(store, { agents, connections: agents, users: 0, providerUrl: provider.url });
      try {
        const rows = await measureStore(legate, ceiling, options);
        console.log(`\n${storeTitles[store]}\n\n${tableOf(rows)}`);
        console.log(`\nMemory: Legate ${megabytes(legate.memory())}.`);
      } finally {
        await close();
      }
    }
  } finally {
    await ceiling.stop();
    await provider.stop();
  }
  for (const sentence of storesMissing(options)) console.log(`\n${sentence}`);
};
