import type { Handle, Row } from "../../ground/db/index.ts";
import type { PolicyRef, RolePolicy } from "./role.ts";

const toPolicy = (row: Row<"role_policies">): RolePolicy => ({
  name: row.name,
  type: "Custom",
  document: row.document,
  description: row.description ?? undefined,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** Whether a joined row is there. */
const isWhole = (row: { [F in keyof Row<"role_policies">]: Row<"role_policies">[F] | null }): row is Row<"role_policies"> =>
  row.document !== null;

/** The statements of policies that stand by themselves; each takes the tenant first. */
export const rolePoliciesTable = {
  /** Answers false where the name is taken. */
  insert: async (tx: Handle, tenant: string, policy: RolePolicy): Promise<boolean> => {
    const row = await tx
      .insertInto("role_policies")
      .values({
        tenant_id: tenant,
        name: policy.name,
        document: policy.document,
        description: policy.description ?? null,
        created_at: policy.createdAt,
        updated_at: policy.updatedAt,
      })
      .onConflict((c) => c.doNothing())
      .returning("name")
      .executeTakeFirst();
    return row !== undefined;
  },

  byName: async (db: Handle, tenant: string, name: string): Promise<RolePolicy | undefined> => {
    const row = await db
      .selectFrom("role_policies")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("name", "=", name)
      .executeTakeFirst();
    return row && toPolicy(row);
  },

  /** Whether there is one of this name; nobody deletes it, nor attaches it, until the transaction ends. */
  lock: async (tx: Handle, tenant: string, name: string): Promise<boolean> => {
    const row = await tx
      .updateTable("role_policies")
      .set((eb) => ({ updated_at: eb.ref("updated_at") }))
      .where("tenant_id", "=", tenant)
      .where("name", "=", name)
      .returning("name")
      .executeTakeFirst();
    return row !== undefined;
  },

  remove: async (tx: Handle, tenant: string, name: string): Promise<void> => {
    await tx.deleteFrom("role_policies").where("tenant_id", "=", tenant).where("name", "=", name).execute();
  },

  isAttached: async (tx: Handle, tenant: string, { type, name }: PolicyRef): Promise<boolean> => {
    const row = await tx
      .selectFrom("role_policy_attachments")
      .select("role_id")
      .where("tenant_id", "=", tenant)
      .where("policy_type", "=", type)
      .where("policy_name", "=", name)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },

  /** What is attached to a role, by type and name; of a system policy there is no row. */
  attached: async (
    db: Handle,
    tenant: string,
    roleId: string,
  ): Promise<readonly (PolicyRef & { readonly attachedAt: number; readonly row: RolePolicy | undefined })[]> => {
    const rows = await db
      .selectFrom("role_policy_attachments as a")
      .leftJoin("role_policies as p", (join) =>
        join.onRef("p.tenant_id", "=", "a.tenant_id").onRef("p.name", "=", "a.policy_name").on("a.policy_type", "=", "Custom"),
      )
      .select(["a.policy_type as policy_type", "a.policy_name as policy_name", "a.created_at as attached_at"])
      .selectAll("p")
      .where("a.tenant_id", "=", tenant)
      .where("a.role_id", "=", roleId)
      .orderBy("a.policy_type")
      .orderBy("a.policy_name")
      .execute();
    return rows.map(({ policy_type: type, policy_name: policy, attached_at: attachedAt, ...row }) => ({
      type,
      name: policy,
      attachedAt,
      row: isWhole(row) ? toPolicy(row) : undefined,
    }));
  },

  /** Answers false where it is attached already. */
  attach: async (tx: Handle, tenant: string, roleId: string, { type, name }: PolicyRef, now: number): Promise<boolean> => {
    const row = await tx
      .insertInto("role_policy_attachments")
      .values({ tenant_id: tenant, role_id: roleId, policy_type: type, policy_name: name, created_at: now })
      .onConflict((c) => c.doNothing())
      .returning("policy_name")
      .executeTakeFirst();
    return row !== undefined;
  },

  /** Answers false where it is not attached. */
  detach: async (tx: Handle, tenant: string, roleId: string, { type, name }: PolicyRef): Promise<boolean> => {
    const row = await tx
      .deleteFrom("role_policy_attachments")
      .where("tenant_id", "=", tenant)
      .where("role_id", "=", roleId)
      .where("policy_type", "=", type)
      .where("policy_name", "=", name)
      .returning("policy_name")
      .executeTakeFirst();
    return row !== undefined;
  },
};
