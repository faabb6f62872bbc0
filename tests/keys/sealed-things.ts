import { randomBytes } from "node:crypto";
import { credentialIdentity, valueIdentity } from "../../packages/server/src/access/projects/index.ts";
import { tokensIdentity } from "../../packages/server/src/access/vault/index.ts";
import type { ConnectionKey } from "../../packages/server/src/access/vault/index.ts";
import { codeIdentity, customStateIdentity } from "../../packages/server/src/access/vault/session.ts";
import { secretsIdentity } from "../../packages/server/src/access/vault/visit.ts";
import { type House, openHouse } from "../../packages/server/src/compose.ts";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import type { Principal } from "../../packages/server/src/ground/kernel/index.ts";
import { loginSecretIdentity } from "../../packages/server/src/identity/issuers/sealed-columns.ts";
import { adminOf } from "../../packages/server/src/testing/stores.ts";

export const aKey = (n: number): Buffer => Buffer.alloc(32, n);
export const adminKey = "op_keys_admin_0123456789abcdef0123456789";

/** A house on a store, with these master keys. */
export const openWith = (
  store: StoreAddress,
  keys: { readonly masterKey?: Buffer; readonly oldMasterKey?: Buffer } = {},
  clock: () => number = Date.now,
  told: (line: string) => void = () => undefined,
): Promise<House> =>
  openHouse(
    {
      store,
      masterKey: aKey(7),
      ...keys,
      publicUrl: "http://127.0.0.1:8700",
      secureCookies: false,
      egressAllow: ["127.0.0.1"],
      adminKey,
      onProgress: (about, sentence) => told(`${sentence} ${JSON.stringify(about)}`),
    },
    { clock },
  );

/** A secret that is told from anything else wherever it is written. */
export const secret = (what: string): string => `${what}-${randomBytes(16).toString("hex")}`;

/** One sealed text, where it stands, and what it holds. */
export interface Sealed {
  readonly table:
    | "providers"
    | "issuers"
    | "access_keys"
    | "connections"
    | "authorization_sessions"
    | "authorization_visits"
    | "signing_keys"
    | "variables"
    | "integrations";
  readonly column: string;
  readonly id: string;
  readonly identity: string;
  readonly plain: string;
}

/** What was put into a tenant. */
export interface Furniture {
  readonly who: Principal;
  readonly apiKey: string;
  readonly agentId: string;
  readonly things: readonly Sealed[];
  readonly keys: readonly ConnectionKey[];
}

export const connectionKey = (tenant: string, agent: string, user: string, provider: string): ConnectionKey => ({
  kind: "user",
  tenant,
  agent,
  user,
  provider,
  resource: "",
  audience: "",
  scopes: "[]",
});

/** Stores tokens under a key as a consent does, and answers what stands there now. */
export const storeTokens = async (house: House, key: ConnectionKey, accessToken: string): Promise<Sealed> => {
  const tokens = { accessToken, tokenType: "Bearer", expiresIn: 3600, refreshToken: `refresh-${accessToken}` };
  const { connectionId: id, version } = await house.db.write((tx) =>
    house.connections.store(tx, key, { requestedScopes: [], tokens, now: Date.now() }),
  );
  return { table: "connections", column: "sealed_tokens", id, identity: tokensIdentity(id, key, version), plain: accessToken };
};

const atOnce = 20;

/** Puts one of everything that is sealed into a tenant, and `connections` connections. */
export const furnish = async (house: House, tenant: string, connections = 3): Promise<Furniture> => {
  const who = adminOf(tenant);
  const suffix = randomBytes(4).toString("hex");
  await house.db.write((tx) =>
    tx
      .insertInto("tenants")
      .values({ id: tenant, status: "active", epoch: 0, created_at: 0 })
      .onConflict((c) => c.doNothing())
      .execute(),
  );
  const agent = await house.agents.create(who, { name: `agent-${suffix}` });
  const { apiKey } = await house.agents.createKey(who, agent.name, {});
  const providerSecret = secret("provider");
  const provider = await house.providers.create(who, { type: "api_key", name: `p-${suffix}`, apiKey: providerSecret });
  await house.signing.sign(tenant, "test+jwt", {});
  const things: Sealed[] = [
    { table: "providers", column: "sealed_secret", id: provider.id, identity: `providers/${provider.id}/secret`, plain: providerSecret },
  ];
  const access = await house.accessKeys.create(who, { rights: { agent: agent.name } });
  const { accessKeyId, accessKeySecret } = access;
  things.push({
    table: "access_keys",
    column: "sealed_secret",
    id: accessKeyId,
    identity: `access_keys/${accessKeyId}/secret`,
    plain: accessKeySecret,
  });
  const project = `project-${suffix}`;
  await house.projects.put(who, project, {});
  for (const lane of ["", "ppe_1"]) {
    const plain = secret("variable");
    const variable = await house.projects.variablesOf.put(who, project, "SECRET", { value: plain, lane });
    things.push({ table: "variables", column: "sealed_value", id: variable.id, identity: valueIdentity(project, variable), plain });
  }
  const plain = secret("integration");
  const integration = await house.projects.integrationsOf.put(who, project, "maps", { credential: plain });
  const identity = credentialIdentity(project, integration);
  things.push({ table: "integrations", column: "sealed_credential", id: integration.id, identity, plain });
  const add = async (table: Sealed["table"], column: string, id: string, identity: string, put: (sealed: string) => Promise<unknown>) => {
    const plain = secret(column);
    await put(await house.db.write((tx) => house.seal.seal(tx, tenant, identity, plain)));
    things.push({ table, column, id, identity, plain });
  };
  const now = Date.now();
  const issuer = `iss_${suffix}`;
  await add("issuers", "sealed_login_secret", issuer, loginSecretIdentity(issuer), (sealed) =>
    house.db.write((tx) =>
      tx
        .insertInto("issuers")
        .values({
          tenant_id: tenant,
          id: issuer,
          name: issuer,
          issuer: `https://${issuer}.test`,
          discovery_url: `https://${issuer}.test/`,
          audiences: "[]",
          subject_claim: "sub",
          login_client_id: "us",
          login_client_auth: "client_secret_post",
          login_scopes: "[]",
          sealed_login_secret: sealed,
          created_at: now,
          updated_at: now,
        })
        .execute(),
    ),
  );
  const session = randomBytes(24).toString("hex");
  await add("authorization_sessions", "sealed_custom_state", session, customStateIdentity(session), (sealed) =>
    house.db.write((tx) =>
      tx
        .insertInto("authorization_sessions")
        .values({
          tenant_id: tenant,
          id: session,
          agent_id: agent.id,
          agent_epoch: 0,
          user_id: "usr_0",
          user_epoch: 0,
          provider_id: provider.id,
          resource: "",
          audience: "",
          scopes_key: "[]",
          requested_scopes: "[]",
          binding: "application",
          return_url: null,
          sealed_custom_state: sealed,
          custom_parameters: "{}",
          forced: 0,
          state: "authorized",
          reason: null,
          sealed_code: null,
          exchanging_since: null,
          connection_id: null,
          connection_version: null,
          created_at: now,
          expires_at: now + 600_000,
        })
        .execute(),
    ),
  );
  await add("authorization_sessions", "sealed_code", session, codeIdentity(session), (sealed) =>
    house.db.write((tx) => tx.updateTable("authorization_sessions").set({ sealed_code: sealed }).where("id", "=", session).execute()),
  );
  const visit = randomBytes(16).toString("hex");
  await add("authorization_visits", "sealed_secrets", visit, secretsIdentity(visit), (sealed) =>
    house.db.write((tx) =>
      tx
        .insertInto("authorization_visits")
        .values({
          tenant_id: tenant,
          id: visit,
          session_id: session,
          stage: "page",
          state_hash: "",
          sealed_secrets: sealed,
          created_at: now,
        })
        .execute(),
    ),
  );
  const keys = Array.from({ length: connections }, (_, n) => connectionKey(tenant, agent.id, `usr_${suffix}_${n}`, provider.id));
  for (let at = 0; at < keys.length; at += atOnce)
    things.push(...(await Promise.all(keys.slice(at, at + atOnce).map((key) => storeTokens(house, key, secret("token"))))));
  return { who, apiKey, agentId: agent.id, things, keys };
};

/** What stands in a sealed column now. */
export const textOf = async (house: House, { table, column, id }: Pick<Sealed, "table" | "column" | "id">): Promise<string> => {
  const row = (await house.db.read.selectFrom(table).selectAll().where("id", "=", id).executeTakeFirstOrThrow()) as Record<string, unknown>;
  return String(row[column]);
};

/** The data keys that anything sealed of a tenant names. */
export const keysInUse = async (house: House, tenant: string): Promise<ReadonlySet<string>> => {
  const found = new Set<string>();
  for (const named of house.dataKeys.columns) {
    const [table = "", column = ""] = named.split(".");
    const rows = (await house.db.read
      .selectFrom(table as Sealed["table"])
      .selectAll()
      .where("tenant_id", "=", tenant)
      .execute()) as unknown as Record<string, string | null>[];
    for (const row of rows) if (row[column]) found.add(row[column].split(".")[1] ?? "");
  }
  return found;
};

/** What does not open, or holds something else than it should. */
export const notWhole = async (house: House, tenant: string, things: readonly Sealed[]): Promise<readonly string[]> => {
  const texts = new Map<string, Record<string, unknown>>();
  for (const table of new Set(things.map((thing) => thing.table)))
    for (const row of await house.db.read.selectFrom(table).selectAll().where("tenant_id", "=", tenant).execute()) texts.set(row.id, row);
  const wrong: string[] = [];
  for (const { table, column, id, identity, plain } of things) {
    const opened = await house.seal.open(tenant, identity, String(texts.get(id)?.[column])).catch((error: unknown) => String(error));
    if (!opened.includes(plain)) wrong.push(`${table}.${column} ${id}: ${opened}`);
  }
  return wrong;
};

/** Runs a job to its end, if there is anything to do. */
export const run = async (house: House, ...names: readonly string[]): Promise<void> => {
  for (const name of names) await house.jobs.runNow(name);
};
