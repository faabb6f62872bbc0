import type { Db } from "../../packages/server/src/ground/db/index.ts";

/** One row, by its table and id. */
export interface Thing {
  readonly table: string;
  readonly id: string;
}

type AnyRow = Readonly<Record<string, unknown>>;

/** Columns that end in `_id` and name nothing that can be revoked: the owner of all, keys that seal or hash, and what others call us. */
const namesNothing = new Set(["tenant_id", "kek_id", "pepper_id", "login_client_id", "account_id", "request_id"]);

/** Tables that tell what was, and hold nothing that works. */
const history = new Set(["audit_events", "audit_unsealed", "audit_blocks", "audit_block_filters", "audit_checkpoints", "changes"]);

/**
 * Each column that names a thing which can be revoked, and whether its row hangs on that thing: `dies` with it, or merely `stands` beside it. A
 * column that is not here was added without a thought for revocation.
 */
const columns: Readonly<Record<string, "dies" | "stands">> = {
  // What a provider calls us.
  "providers.client_id": "stands",
  "agent_keys.agent_id": "dies",
  "client_secrets.agent_id": "dies",
  "client_keys.agent_id": "dies",
  "access_keys.operator_id": "dies",
  "access_keys.agent_id": "dies",
  "access_keys.user_id": "dies",
  // Without its role it still says who it is, and may do nothing.
  "access_keys.role_id": "stands",
  "role_policy_attachments.role_id": "dies",
  "policies.set_id": "dies",
  // A set that decides at a gateway cannot be deleted.
  "gateway_policies.set_id": "stands",
  "connections.agent_id": "dies",
  "connections.user_id": "dies",
  "connections.provider_id": "dies",
  "authorization_sessions.agent_id": "dies",
  "authorization_sessions.user_id": "dies",
  "authorization_sessions.provider_id": "dies",
  "authorization_visits.session_id": "dies",
  "oauth_grants.client_id": "dies",
  "oauth_grants.agent_id": "dies",
  "oauth_grants.user_id": "dies",
  "authorization_codes.grant_id": "dies",
  "refresh_tokens.grant_id": "dies",
  // A browser on its way: what it names is asked for again before it is given anything.
  "authorization_requests.client_id": "stands",
  "authorization_requests.issuer_id": "stands",
  "authorization_requests.user_id": "stands",
  // Opens nothing; what is final forgets it.
  "remembered_consents.client_id": "stands",
  "remembered_consents.user_id": "stands",
  "variables.project_id": "dies",
  "integrations.project_id": "dies",
  "integrations.provider_id": "dies",
  // How a session ended; one that is over is nothing to revoke.
  "authorization_sessions.connection_id": "stands",
  // An issuer that agents trust, or at which the users of apps log in, cannot be deleted.
  "agents.issuer_id": "stands",
  "clients.issuer_id": "stands",
};

/** Every column of every table that may name a thing, as the database itself tells. */
const namingColumns = async (db: Db): Promise<readonly { readonly table: string; readonly column: string }[]> =>
  (await db.read.introspection.getTables())
    .filter(({ name, isView }) => !isView && !history.has(name))
    .flatMap(({ name, columns: all }) => all.map((column) => ({ table: name, column: column.name })))
    .filter(({ column }) => column.endsWith("_id") && !namesNothing.has(column));

/** What names a thing and nobody has said how: empty, or somebody forgot. */
export const forgotten = async (db: Db): Promise<readonly string[]> =>
  (await namingColumns(db)).map(({ table, column }) => `${table}.${column}`).filter((name) => !(name in columns));

/** Everything that hangs on a thing, and on what hangs on it, by the id columns alone. */
export const closureOf = async (db: Db, id: string): Promise<readonly Thing[]> => {
  const found = new Map<string, Thing>();
  const all = (await namingColumns(db)).filter(({ table, column }) => columns[`${table}.${column}`] === "dies");
  const frontier = [id];
  for (let next = frontier.shift(); next !== undefined; next = frontier.shift()) {
    for (const { table, column } of all) {
      const rows: readonly AnyRow[] = await db.read
        .selectFrom(table as "connections")
        .selectAll()
        .where(column as "agent_id", "=", next)
        .execute();
      for (const row of rows) {
        const thing = { table, id: String(row["id"] ?? row["hash"]) };
        if (found.has(thing.id)) continue;
        found.set(thing.id, thing);
        frontier.push(thing.id);
      }
    }
  }
  return [...found.values()];
};
