import { sql } from "kysely";
import type { Handle } from "../../ground/db/index.ts";
import { columnOf, type Of } from "./credential-key.ts";
import { underWay } from "./sessions-table.ts";

/** The statements that count what a revocation would end, from indexes alone, and name some of it; each takes the tenant first. */
export const impactTable = {
  /** How many connections of an agent, a user or a provider hold tokens, and some of them. */
  connectionsOf: async (db: Handle, tenant: string, of: Of, most: number) => {
    const all = db
      .selectFrom("connections")
      .where("tenant_id", "=", tenant)
      .where(columnOf[of.kind], "=", of.id)
      .where("state", "=", "active");
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    const rows = await all.select(["id", "agent_id", "user_id", "provider_id"]).limit(most).execute();
    return {
      count: Number(count),
      some: rows.map((row) => ({ id: row.id, agent: row.agent_id, user: row.user_id, provider: row.provider_id })),
    };
  },

  /** How many agents hold tokens of a provider, and some of them. */
  agentsAt: async (db: Handle, tenant: string, provider: string, most: number) => {
    const all = db
      .selectFrom("connections")
      .where("tenant_id", "=", tenant)
      .where("provider_id", "=", provider)
      .where("state", "=", "active");
    const { count } = await all.select((eb) => eb.fn.count("agent_id").distinct().as("count")).executeTakeFirstOrThrow();
    const ids = all.select("agent_id").distinct().limit(most);
    const some = await db.selectFrom("agents").select(["id", "name"]).where("tenant_id", "=", tenant).where("id", "in", ids).execute();
    return { count: Number(count), some };
  },

  /** How many consents are under way for an agent, a user or a provider, and some of them. */
  authorizationsOf: async (db: Handle, tenant: string, of: Of, now: number, most: number) => {
    const all = db
      .selectFrom("authorization_sessions")
      .where("tenant_id", "=", tenant)
      .where(columnOf[of.kind], "=", of.id)
      .where("expires_at", ">", now)
      .where(underWay);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    const rows = await all.select(["agent_id", "user_id", "provider_id", "expires_at"]).limit(most).execute();
    return {
      count: Number(count),
      some: rows.map((row) => ({ agent: row.agent_id, user: row.user_id, provider: row.provider_id, expiresAt: row.expires_at })),
    };
  },

  /** How many consents wait for a login at an issuer, and some of them: those of its users, in binding `login`. */
  authorizationsAtIssuer: async (db: Handle, tenant: string, issuer: string, now: number, most: number) => {
    const all = db
      .selectFrom("authorization_sessions as s")
      .innerJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "s.tenant_id").onRef("u.id", "=", "s.user_id"))
      .where("s.tenant_id", "=", tenant)
      .where("u.issuer", "=", issuer)
      .where("s.binding", "=", "login")
      .where("s.state", "=", sql.lit("pending"))
      .where("s.expires_at", ">", now);
    const { count } = await all.select((eb) => eb.fn.countAll().as("count")).executeTakeFirstOrThrow();
    const rows = await all.select(["s.agent_id", "s.user_id", "s.provider_id", "s.expires_at"]).limit(most).execute();
    return {
      count: Number(count),
      some: rows.map((row) => ({ agent: row.agent_id, user: row.user_id, provider: row.provider_id, expiresAt: row.expires_at })),
    };
  },
};
