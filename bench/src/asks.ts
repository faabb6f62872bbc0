import { filledAgent } from "@legate/server/testing/fill";
import { load } from "./load.ts";
import { adminKey } from "./stores.ts";
import type { Ask } from "./wire.ts";

/** Operators that ask for tokens in turn. */
export const callers = 500;

/** A POST with a JSON body and a bearer. */
export const post = (path: string, key: string, body: object): Ask => ({
  method: "POST",
  path,
  headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
  body: JSON.stringify(body),
});

/** The ceiling's only request. */
export const sign = (n: number): Ask => post("/sign", "none", { agent: filledAgent(n) });

/** A workload token for the n-th agent. */
export const mint = (n: number, key = adminKey): Ask => post("/v1/workload-tokens", key, { agent: filledAgent(n) });

/** The agent's own live credential. */
export const read = (token: string): Ask => post("/v1/credentials/oauth2", token, { provider: "live", flow: "M2M" });

/** A workload token for each of these agents. */
export const tokensOf = async (url: string, agents: readonly number[], ask: (agent: number) => Ask = mint): Promise<string[]> => {
  const tokens: string[] = [];
  await load(
    url,
    Math.min(32, agents.length),
    agents.length,
    (n) => ask(agents[n] ?? 0),
    (n, { body }) => {
      tokens[n] = (JSON.parse(body.toString("utf8")) as { token: string }).token;
    },
  );
  return tokens;
};

/**
 * Makes callers. An agent's token is handed out again to the caller who had it, so that fresh ones for agents who were asked for before take
 * other callers. Answers what makes the n-th request among some agents: agent and caller count up apart, so that a pair comes again only after all
 * others, when it is long forgotten.
 */
export const mintingFor = async (url: string): Promise<(agents: readonly number[]) => (n: number) => Ask> => {
  const keys: string[] = [];
  const make = (n: number) => post("/v1/operators", adminKey, { name: `caller-${n}`, role: "operator" });
  await load(url, 32, callers, make, (n, { body }) => {
    keys[n] = (JSON.parse(body.toString("utf8")) as { key: string }).key;
  });
  return (agents) => (n) => mint(agents[n % agents.length] ?? 0, keys[Math.floor(n / agents.length) % callers]);
};
