import { type Handle, newerThan, type Row } from "../../ground/db/index.ts";
import type { Place } from "../../ground/kernel/index.ts";
import type { Attachment, EnforcementMode, GatewayType } from "./policy.ts";

const toAttachment = (row: Row<"gateway_policies">): Attachment => ({
  id: row.id,
  gateway: row.gateway,
  type: row.type,
  set: row.set_id,
  mode: row.mode,
  attachedAt: row.attached_at,
  updatedAt: row.updated_at,
});

/** The statements of attachments; each takes the tenant first, and none exists without it. */
export const attachmentsTable = {
  /** Answers false where a set is attached to the gateway already. */
  insert: async (tx: Handle, tenant: string, { id, gateway, type, set, mode, attachedAt, updatedAt }: Attachment): Promise<boolean> => {
    const row = await tx
      .insertInto("gateway_policies")
      .values({ tenant_id: tenant, id, gateway, type, set_id: set, mode, attached_at: attachedAt, updated_at: updatedAt })
      .onConflict((conflict) => conflict.columns(["tenant_id", "gateway"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    return row !== undefined;
  },

  byGateway: async (db: Handle, tenant: string, gateway: string): Promise<Attachment | undefined> => {
    const row = await db
      .selectFrom("gateway_policies")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("gateway", "=", gateway)
      .executeTakeFirst();
    return row && toAttachment(row);
  },

  /** With what the set is called, which never changes. */
  withSet: async (db: Handle, tenant: string, gateway: string): Promise<(Attachment & { readonly setName: string }) | undefined> => {
    const row = await db
      .selectFrom("gateway_policies as g")
      .innerJoin("policy_sets as s", (join) => join.onRef("s.tenant_id", "=", "g.tenant_id").onRef("s.id", "=", "g.set_id"))
      .selectAll("g")
      .select("s.name as set_name")
      .where("g.tenant_id", "=", tenant)
      .where("g.gateway", "=", gateway)
      .executeTakeFirst();
    return row && { ...toAttachment(row), setName: row.set_name };
  },

  anyOf: async (tx: Handle, tenant: string, set: string): Promise<boolean> => {
    const row = await tx
      .selectFrom("gateway_policies")
      .select("id")
      .where("tenant_id", "=", tenant)
      .where("set_id", "=", set)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },

  /** Those of one type, longest attached first, after `place`. */
  list: async (
    db: Handle,
    tenant: string,
    { set, type }: { readonly set: string; readonly type: GatewayType },
    place: Place | undefined,
    limit: number,
  ): Promise<readonly Attachment[]> => {
    let query = db
      .selectFrom("gateway_policies")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("set_id", "=", set)
      .where("type", "=", type);
    if (place) query = query.where(newerThan(place, { at: "attached_at" }));
    const rows = await query.orderBy("attached_at").orderBy("id").limit(limit).execute();
    return rows.map(toAttachment);
  },

  /** Answers the attachment as it is then, if it was still there. */
  setMode: async (
    tx: Handle,
    tenant: string,
    { gateway, type }: { readonly gateway: string; readonly type: GatewayType },
    mode: EnforcementMode,
    now: number,
  ): Promise<Attachment | undefined> => {
    const row = await tx
      .updateTable("gateway_policies")
      .set({ mode, updated_at: now })
      .where("tenant_id", "=", tenant)
      .where("gateway", "=", gateway)
      .where("type", "=", type)
      .returningAll()
      .executeTakeFirst();
    return row && toAttachment(row);
  },

  /** Answers the one that was there. */
  remove: async (
    tx: Handle,
    tenant: string,
    { gateway, type, set }: { readonly gateway: string; readonly type: GatewayType; readonly set: string },
  ): Promise<Attachment | undefined> => {
    const row = await tx
      .deleteFrom("gateway_policies")
      .where("tenant_id", "=", tenant)
      .where("gateway", "=", gateway)
      .where("type", "=", type)
      .where("set_id", "=", set)
      .returningAll()
      .executeTakeFirst();
    return row && toAttachment(row);
  },
};
