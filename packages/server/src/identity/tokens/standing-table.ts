import { type Handle, prepared } from "../../ground/db/index.ts";

/** What an agent's standing hangs on; the user's fields are null where there is no such user. */
interface StandingRow {
  readonly name: string;
  readonly labels: string;
  readonly origin: "operator" | "self";
  readonly agent_status: "active" | "suspended" | "revoked";
  readonly agent_epoch: number;
  readonly deleted_at: number | null;
  readonly tenant_status: "active" | "suspended";
  readonly tenant_epoch: number;
  readonly user_status: "active" | "suspended" | null;
  readonly user_epoch: number | null;
}

const read = prepared<{ tenant: string; agent: string; user: string }, StandingRow>((db, { tenant, agent, user }) =>
  db
    .selectFrom("agents as a")
    .innerJoin("tenants as t", "t.id", "a.tenant_id")
    .leftJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "a.tenant_id").on("u.id", "=", user))
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
    .where("a.id", "=", agent),
);

/** Everything that decides whether an agent may act for a user now, in one read. */
export const standingTable = {
  read: async (db: Handle, tenant: string, agent: string, user: string): Promise<StandingRow | undefined> =>
    (await read(db, { tenant, agent, user }))[0],
};
