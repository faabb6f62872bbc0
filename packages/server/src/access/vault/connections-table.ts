import { type Handle, lookup, type Row } from "../../ground/db/index.ts";
import type { Obtained, Stored } from "./connection.ts";
import { columnOf, type ConnectionKey, type Of } from "./credential-key.ts";

/** Longer than the provider may take, so that whoever holds a lease has ended before another begins; milliseconds. */
export const leaseLife = 45_000;

/** As far as the clocks of two replicas may be apart. A lease that ends later than that allows was taken before a clock was set back, and is none. */
const latestEnd = (now: number): number => now + 2 * leaseLife;

/** Whether somebody holds the row's lease. */
export const isLeased = ({ leaseUntil }: Pick<Stored, "leaseUntil">, now: number): boolean =>
  leaseUntil > now && leaseUntil <= latestEnd(now);

/** A lease as it is taken. */
export interface Lease {
  readonly owner: string;
  readonly until: number;
}

const list = (json: string) => JSON.parse(json) as readonly string[];

const keyOf = (row: Row<"connections">): ConnectionKey => {
  const asked = {
    tenant: row.tenant_id,
    agent: row.agent_id,
    provider: row.provider_id,
    resource: row.resource,
    audience: row.audience,
    scopes: row.scopes_key,
  };
  return row.user_id === "" ? { kind: "agent", ...asked } : { kind: "user", user: row.user_id, ...asked };
};

/** What the vault works with, beside the key. */
const workColumns = [
  "id",
  "state",
  "version",
  "requested_scopes",
  "granted_scopes",
  "sealed_tokens",
  "refreshable",
  "obtained_at",
  "expires_at",
  "lease_until",
] as const;

const toStoredUnder = (key: ConnectionKey, row: Pick<Row<"connections">, (typeof workColumns)[number]>): Stored => ({
  id: row.id,
  key,
  state: row.state,
  version: row.version,
  requestedScopes: list(row.requested_scopes),
  grantedScopes: list(row.granted_scopes),
  sealedTokens: row.sealed_tokens ?? undefined,
  refreshable: row.refreshable === 1,
  obtainedAt: row.obtained_at ?? undefined,
  expiresAt: row.expires_at ?? undefined,
  leaseUntil: row.lease_until,
});

/** A row as the vault works with it. */
export const toStored = (row: Row<"connections">): Stored => toStoredUnder(keyOf(row), row);

const keyColumns = ["tenant_id", "agent_id", "user_id", "provider_id", "resource", "audience", "scopes_key"] as const;

const keyValues = (key: ConnectionKey) => ({
  tenant_id: key.tenant,
  agent_id: key.agent,
  user_id: key.kind === "user" ? key.user : "",
  provider_id: key.provider,
  resource: key.resource,
  audience: key.audience,
  scopes_key: key.scopes,
});

const noTokens = { sealed_tokens: null, refreshable: 0, obtained_at: null, expires_at: null, lease_owner: null, lease_until: 0 } as const;

const tokenColumns = (obtained: Obtained, sealed: string, now: number) => ({
  state: "active" as const,
  granted_scopes: JSON.stringify(obtained.grantedScopes),
  sealed_tokens: sealed,
  refreshable: obtained.refreshable ? 1 : 0,
  obtained_at: obtained.obtainedAt,
  expires_at: obtained.expiresAt ?? null,
  lease_owner: null,
  lease_until: 0,
  updated_at: now,
});

/** A row of version 0 holds a lease for tokens that were never had; it is no connection yet. */
const blank = 0;

/** One version of one row, while its lease is held: what every change of tokens compares first. */
const held = (tx: Handle, tenant: string, id: string, version: number, owner: string) =>
  tx
    .updateTable("connections")
    .where("tenant_id", "=", tenant)
    .where("id", "=", id)
    .where("version", "=", version)
    .where("lease_owner", "=", owner);

/** The one statement of a read whose credential is live. */
const byKey = lookup<ReturnType<typeof keyValues>, Pick<Row<"connections">, (typeof workColumns)[number]>>((db, values) => {
  let query = db.selectFrom("connections").select(workColumns);
  for (const column of keyColumns) query = query.where(column, "=", values[column]);
  return query.limit(1);
});

/** The statements on connections as the vault works with them; each takes the tenant first, alone or at the head of a key. */
export const connectionsTable = {
  byKey: async (db: Handle, key: ConnectionKey): Promise<Stored | undefined> => {
    const row = await byKey(db, keyValues(key));
    return row && toStoredUnder(key, row);
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<Stored | undefined> => {
    const row = await db.selectFrom("connections").selectAll().where("tenant_id", "=", tenant).where("id", "=", id).executeTakeFirst();
    return row && toStored(row);
  },

  /** Makes the row of a key, or moves the one there is to its next version; whoever held a lease on the former version has lost it. */
  advance: async (
    tx: Handle,
    key: ConnectionKey,
    id: string,
    requested: readonly string[],
    now: number,
  ): Promise<{ id: string; version: number }> =>
    tx
      .insertInto("connections")
      .values({
        ...keyValues(key),
        ...noTokens,
        id,
        state: "active",
        version: 1,
        requested_scopes: JSON.stringify(requested),
        granted_scopes: "[]",
        created_at: now,
        updated_at: now,
      })
      .onConflict((conflict) =>
        conflict.columns([...keyColumns]).doUpdateSet((eb) => ({
          ...noTokens,
          state: "active" as const,
          version: eb("connections.version", "+", 1),
          requested_scopes: JSON.stringify(requested),
          updated_at: now,
        })),
      )
      .returning(["id", "version"])
      .executeTakeFirstOrThrow(),

  setTokens: async (
    tx: Handle,
    tenant: string,
    id: string,
    version: number,
    obtained: Obtained,
    sealed: string,
    now: number,
  ): Promise<void> => {
    await tx
      .updateTable("connections")
      .set(tokenColumns(obtained, sealed, now))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("version", "=", version)
      .execute();
  },

  /** A row that holds a lease and nothing else. Answers whether the key had none. */
  insertBlank: async (
    tx: Handle,
    key: ConnectionKey,
    id: string,
    requested: readonly string[],
    lease: Lease,
    now: number,
  ): Promise<boolean> => {
    const row = await tx
      .insertInto("connections")
      .values({
        ...keyValues(key),
        ...noTokens,
        id,
        state: "needs_consent",
        version: blank,
        requested_scopes: JSON.stringify(requested),
        granted_scopes: "[]",
        lease_owner: lease.owner,
        lease_until: lease.until,
        created_at: now,
        updated_at: now,
      })
      .onConflict((conflict) => conflict.columns([...keyColumns]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  /** Answers whether the lease was free and the version still the one seen. */
  takeLease: async (tx: Handle, tenant: string, id: string, version: number, lease: Lease, now: number): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("connections")
      .set({ lease_owner: lease.owner, lease_until: lease.until })
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("version", "=", version)
      .where((eb) => eb.or([eb("lease_until", "<=", now), eb("lease_until", ">", latestEnd(now))]))
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n;
  },

  /** Answers whether the row was still at this version and the lease still the owner's; nothing is stored otherwise. */
  replaceTokens: async (
    tx: Handle,
    tenant: string,
    id: string,
    version: number,
    owner: string,
    obtained: Obtained,
    sealed: string,
    now: number,
  ): Promise<boolean> => {
    const { numUpdatedRows } = await held(tx, tenant, id, version, owner)
      .set({ version: version + 1, ...tokenColumns(obtained, sealed, now) })
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n;
  },

  /** The grant is dead: what it gave is erased, and the row waits for a new consent. Answers as {@link connectionsTable.replaceTokens}. */
  lapse: async (tx: Handle, tenant: string, id: string, version: number, owner: string, now: number): Promise<boolean> => {
    const { numUpdatedRows } = await held(tx, tenant, id, version, owner)
      .set({ ...noTokens, state: "needs_consent", version: version + 1, updated_at: now })
      .executeTakeFirstOrThrow();
    return numUpdatedRows === 1n;
  },

  releaseLease: async (tx: Handle, tenant: string, id: string, version: number, owner: string): Promise<void> => {
    if (version === blank)
      await tx
        .deleteFrom("connections")
        .where("tenant_id", "=", tenant)
        .where("id", "=", id)
        .where("version", "=", blank)
        .where("lease_owner", "=", owner)
        .execute();
    else await held(tx, tenant, id, version, owner).set({ lease_owner: null, lease_until: 0 }).execute();
  },

  /** A connection as it is, kept from changing until the transaction ends. */
  hold: async (tx: Handle, tenant: string, id: string): Promise<Stored | undefined> => {
    const row = await tx
      .updateTable("connections")
      .set((eb) => ({ version: eb.ref("version") }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("version", ">", blank)
      .returningAll()
      .executeTakeFirst();
    return row && toStored(row);
  },

  /** Whether this user has tokens of this provider in another connection than this one. */
  anyBeside: async (
    tx: Handle,
    tenant: string,
    { id, user, provider }: { id: string; user: string; provider: string },
  ): Promise<boolean> => {
    const row = await tx
      .selectFrom("connections")
      .select("id")
      .where("tenant_id", "=", tenant)
      .where("user_id", "=", user)
      .where("state", "=", "active")
      .where("provider_id", "=", provider)
      .where("id", "!=", id)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },

  /** Ends a connection, erases its tokens and breaks its lease. */
  revoke: async (tx: Handle, tenant: string, id: string, now: number): Promise<void> => {
    await tx
      .updateTable("connections")
      .set((eb) => ({ ...noTokens, state: "revoked" as const, version: eb("version", "+", 1), updated_at: now }))
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .where("version", ">", blank)
      .execute();
  },

  /** Answers how many were erased. */
  deleteOf: async (tx: Handle, tenant: string, of: Of): Promise<number> => {
    const { numDeletedRows } = await tx
      .deleteFrom("connections")
      .where("tenant_id", "=", tenant)
      .where(columnOf[of.kind], "=", of.id)
      .executeTakeFirstOrThrow();
    return Number(numDeletedRows);
  },

  /** Erases all tokens had from a provider and breaks its leases, so that none on its way is stored. Answers how many stood. */
  lapseOf: async (tx: Handle, tenant: string, provider: string, now: number): Promise<number> => {
    await tx
      .deleteFrom("connections")
      .where("tenant_id", "=", tenant)
      .where("provider_id", "=", provider)
      .where("version", "=", blank)
      .execute();
    const { numUpdatedRows } = await tx
      .updateTable("connections")
      .set((eb) => ({
        ...noTokens,
        state: eb
          .case()
          .when("state", "=", "revoked")
          .then("revoked" as const)
          .else("needs_consent" as const)
          .end(),
        version: eb("version", "+", 1),
        updated_at: now,
      }))
      .where("tenant_id", "=", tenant)
      .where("provider_id", "=", provider)
      .executeTakeFirstOrThrow();
    return Number(numUpdatedRows);
  },
};
