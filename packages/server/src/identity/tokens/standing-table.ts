import type { Handle } from "../../ground/db/index.ts";

/** Everything that decides whether an agent may act for a user now, in one read. */
export const standingTable = {
  read: (db: Handle, tenant: string, agentId: string, userId: string) =>
    db
      .selectFrom("agents as a")
      .innerJoin("tenants as t", "t.id", "a.tenant_id")
      .leftJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "a.tenant_id").on("u.id", "=", userId))
      .select([
        "a.name as name",
        "a.labels as labels",
        "a.origin as origin",
        "a.status as agent_status",
        "a.epoch as agent_epoch",
        "a.deleted_at as deleted_at",
        "t.status as tenant_status",
        "t.epoch as tenant_epoch",
        "u.status as user_status",
        "u.epoch as user_epoch",
      ])
      .where("a.tenant_id", "=", tenant)
      .where("a.id", "=", agentId)
      .executeTakeFirst(),
};
