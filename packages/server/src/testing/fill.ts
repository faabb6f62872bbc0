import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import type { Insertable } from "kysely";
import pg from "pg";
import { scopesKey } from "../access/providers/index.ts";
import { type ConnectionKey, sealable, tokensIdentity } from "../access/vault/index.ts";
import { type House, openHouse } from "../compose.ts";
import { readConfig } from "../config/index.ts";
import type { Handle, Tables } from "../ground/db/index.ts";
import { defaultTenant } from "../identity/tenants/index.ts";
import { assertedIssuer } from "../identity/users/index.ts";

/** What a store is filled with. */
export interface Filling {
  /** Agents, named by {@link filledAgent}. */
  readonly agents: number;
  /** Of the first that many agents each holds a live credential of its own at provider `live`. */
  readonly connections: number;
  /** Of the first that many agents each speaks for a user `alice`, whose token at provider `brief` is used up and can be refreshed. */
  readonly users: number;
  /** Where both providers are: `live` is asked at `/never/token`, which it need not be, `brief` at `/brief/token`. */
  readonly providerUrl: string;
}

/** The name of the n-th agent. */
export const filledAgent = (n: number): string => `bench-${n}`;

/** Of one statement: neither store takes more than some ten thousand parameters at once. */
const agentsAtOnce = 250;
const agentsPerCommit = 10 * agentsAtOnce;
const aDay = 24 * 60 * 60_000;

interface Batch {
  readonly agents: Insertable<Tables["agents"]>[];
  readonly users: Insertable<Tables["users"]>[];
  readonly connections: Insertable<Tables["connections"]>[];
}

/** An id that cannot be told from a random one, except that they are made in order: filling in then adds to the end of every index. */
const idAt = (prefix: string, share: number) =>
  `${prefix}_${Math.floor(share * 2 ** 48)
    .toString(16)
    .padStart(12, "0")}${randomBytes(10).toString("hex")}`;

const agentRow = (name: string, share: number, now: number): Insertable<Tables["agents"]> => ({
  tenant_id: defaultTenant,
  id: idAt("agt", share),
  name,
  title: null,
  description: null,
  owner_email: null,
  status: "active",
  origin: "operator",
  permissions: "[]",
  return_urls: "[]",
  issuer_id: null,
  role_arn: null,
  binding: null,
  asserted_users: 1,
  tier: null,
  labels: "{}",
  epoch: 0,
  created_at: now,
  updated_at: now,
  deleted_at: null,
});

const userRow = (agentId: string, share: number, now: number): Insertable<Tables["users"]> => ({
  tenant_id: defaultTenant,
  id: idAt("usr", share),
  issuer: assertedIssuer(agentId),
  subject: "alice",
  subject_claim: null,
  proven: 0,
  status: "active",
  epoch: 0,
  created_at: now,
});

/** A connection as the vault itself would have stored it: its tokens open in this row alone, so each is sealed by itself. */
const connectionRow = async (
  tx: Handle,
  seal: House["seal"],
  key: ConnectionKey,
  share: number,
  refreshToken: string | undefined,
  obtained: { readonly at: number; readonly until: number },
): Promise<Insertable<Tables["connections"]>> => {
  const id = idAt("con", share);
  const tokens = sealable({ accessToken: randomBytes(24).toString("hex"), tokenType: "Bearer" }, refreshToken);
  return {
    tenant_id: key.tenant,
    id,
    agent_id: key.agent,
    user_id: key.kind === "user" ? key.user : "",
    provider_id: key.provider,
    resource: key.resource,
    audience: key.audience,
    scopes_key: key.scopes,
    state: "active",
    version: 1,
    requested_scopes: "[]",
    granted_scopes: "[]",
    sealed_tokens: await seal.seal(tx, key.tenant, tokensIdentity(id, key, 1), tokens),
    refreshable: refreshToken === undefined ? 0 : 1,
    obtained_at: obtained.at,
    expires_at: obtained.until,
    lease_owner: null,
    lease_until: 0,
    created_at: obtained.at,
    updated_at: obtained.at,
  };
};

/** A provider without scopes of its own. */
const makeProvider = (house: House, name: string, url: string) =>
  house.providers.create(
    {
      tenant: defaultTenant,
      caller: { kind: "operator", id: "op_fill", role: "admin" },
      actors: [],
      method: "operator_key",
      requestId: "req_fill",
    },
    {
      type: "oauth2",
      name,
      clientId: "bench",
      clientSecret: "bench",
      tokenEndpoint: `${url}/token`,
      authorizationEndpoint: `${url}/authorize`,
    },
  );

/** The agents from one number to another, with what hangs on them. */
const insertBatch = async (
  tx: Handle,
  seal: House["seal"],
  filling: Filling,
  providers: { readonly live: string; readonly brief: string },
  from: number,
  to: number,
): Promise<void> => {
  const now = Date.now();
  const batch: Batch = { agents: [], users: [], connections: [] };
  for (let n = from; n < to; n += 1) {
    const share = n / filling.agents;
    const agent = agentRow(filledAgent(n), share, now);
    batch.agents.push(agent);
    const asked = { tenant: defaultTenant, agent: agent.id, resource: "", audience: "", scopes: scopesKey([]) };
    if (n < filling.connections) {
      const key = { kind: "agent", provider: providers.live, ...asked } as const;
      batch.connections.push(await connectionRow(tx, seal, key, share, undefined, { at: now, until: now + aDay }));
    }
    if (n < filling.users) {
      const user = userRow(agent.id, share, now);
      batch.users.push(user);
      const key = { kind: "user", user: user.id, provider: providers.brief, ...asked } as const;
      const used = { at: now - 4_000, until: now - 1_000 };
      batch.connections.push(await connectionRow(tx, seal, key, share, randomBytes(24).toString("hex"), used));
    }
  }
  await tx.insertInto("agents").values(batch.agents).execute();
  if (batch.users.length > 0) await tx.insertInto("users").values(batch.users).execute();
  if (batch.connections.length > 0) await tx.insertInto("connections").values(batch.connections).execute();
};

/** Fresh statistics, as a server that has run for a while has them. */
const analyze = async (url: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("vacuum analyze");
  } finally {
    await client.end();
  }
};

/**
 * Fills the store that these settings name, much faster than requests could: rows in big batches, their secrets sealed by the real seal. No
 * server may run on it. Agents that are filled in have no audit rows.
 * @param env The settings that the server will be started with.
 * @param told Hears how many agents there are, now and then.
 */
export const fillStore = async (
  env: Readonly<Record<string, string>>,
  filling: Filling,
  told: (agents: number) => void = () => undefined,
): Promise<void> => {
  const { database, dataDir, publicUrl, secureCookies, egressAllow, secrets } = readConfig(env);
  if (secrets.masterKey === undefined) throw new Error("Filling needs LEGATE_MASTER_KEY.");
  if (database.engine === "sqlite") mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const house = await openHouse({
    store: database,
    masterKey: secrets.masterKey,
    publicUrl,
    secureCookies,
    egressAllow,
    adminKey: secrets.adminKey,
  });
  try {
    const live = await makeProvider(house, "live", `${filling.providerUrl}/never`);
    const brief = await makeProvider(house, "brief", `${filling.providerUrl}/brief`);
    for (let from = 0; from < filling.agents; from += agentsPerCommit) {
      const to = Math.min(from + agentsPerCommit, filling.agents);
      await house.db.write(async (tx) => {
        for (let first = from; first < to; first += agentsAtOnce)
          await insertBatch(tx, house.seal, filling, { live: live.id, brief: brief.id }, first, Math.min(first + agentsAtOnce, to));
      });
      if ((from / agentsPerCommit) % 40 === 39) told(to);
    }
  } finally {
    await house.close();
  }
  if (database.engine === "postgres") await analyze(database.url);
};
