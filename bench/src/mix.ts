import { randomBytes } from "node:crypto";
import { filledAgent } from "@legate/server/testing/fill";
import { mint, post, read, tokensOf } from "./asks.ts";
import type { Paced } from "./load.ts";
import { adminKey } from "./stores.ts";
import type { Answer } from "./wire.ts";

/** Who is there to be asked for. */
export interface Crowd {
  /** Agents that are asked for again and again. */
  readonly busy: number;
  /** Of these so many speak for a user whose token lives three seconds. */
  readonly users: number;
  /** Agents that a token is minted for now and then. */
  readonly others: number;
}

/** A crowd to go with runs of so many requests. */
export const crowdFor = (requests: number): Crowd => ({
  busy: Math.ceil(requests / 20),
  users: Math.ceil(requests / 67),
  others: requests * 5,
});

const ok = [200];
const anyOf = (below: number): number => Math.floor(Math.random() * below);
const tokenIn = ({ body }: Answer): string => (JSON.parse(body.toString("utf8")) as { token: string }).token;

const mintForUser = (agent: number) => post("/v1/workload-tokens", adminKey, { agent: filledAgent(agent), userId: "alice" });

/** What a day looks like, in shares of a hundred. */
export const shares = {
  "vault read of a live credential": 45,
  "fresh workload token": 20,
  "workload token handed out again": 10,
  "vault read of a token that lives three seconds": 15,
  "write by an operator": 5,
  refusal: 5,
} as const;
type Kind = keyof typeof shares;

const kinds: readonly Kind[] = Object.entries(shares).flatMap(([kind, share]) => Array.from({ length: share }, () => kind as Kind));

/** A mixed load: each call of what it answers is the next request. Tokens are renewed as they are handed out again. */
export const makeMix = async (url: string, { busy, users: speaking, others }: Crowd): Promise<() => Paced> => {
  const own = await tokensOf(
    url,
    Array.from({ length: busy }, (_, n) => n),
  );
  const users = await tokensOf(
    url,
    Array.from({ length: speaking }, (_, n) => n),
    mintForUser,
  );
  let other = 0;
  let written = 0;

  const again = (): Paced => {
    const agent = anyOf(busy);
    return agent < speaking && anyOf(2) === 0
      ? { ask: mintForUser(agent), expects: ok, heard: (answer) => (users[agent] = tokenIn(answer)) }
      : { ask: mint(agent), expects: ok, heard: (answer) => (own[agent] = tokenIn(answer)) };
  };

  const byOperator = (): Paced => {
    written += 1;
    if (written % 2 === 0) return { ask: post("/v1/agents", adminKey, { name: `made-${randomBytes(8).toString("hex")}` }), expects: [201] };
    const change = post(`/v1/agents/${filledAgent(busy + anyOf(others))}`, adminKey, { title: `changed ${written}` });
    return { ask: { ...change, method: "PATCH" }, expects: ok };
  };

  const refused = (): Paced => {
    const token = own[anyOf(busy)] ?? "";
    const refusals: readonly Paced[] = [
      { ask: mint(anyOf(busy), `sk_${randomBytes(32).toString("hex")}`), expects: [401] },
      { ask: post("/v1/credentials/oauth2", token, { provider: "none" }), expects: [404] },
      { ask: post("/v1/credentials/oauth2", token, { provider: 1 }), expects: [400] },
      { ask: post("/v1/workload-tokens", adminKey, { agent: "no-such-agent" }), expects: [404] },
    ];
    return refusals[anyOf(refusals.length)] ?? again();
  };

  const next: Readonly<Record<Kind, () => Paced>> = {
    "vault read of a live credential": () => ({ ask: read(own[anyOf(busy)] ?? ""), expects: ok }),
    "fresh workload token": () => {
      other += 1;
      return { ask: mint(busy + (other % others)), expects: ok };
    },
    "workload token handed out again": again,
    "vault read of a token that lives three seconds": () => ({
      ask: post("/v1/credentials/oauth2", users[anyOf(speaking)] ?? "", { provider: "brief" }),
      expects: ok,
    }),
    "write by an operator": byOperator,
    refusal: refused,
  };
  return () => next[kinds[anyOf(kinds.length)] ?? "refusal"]();
};
