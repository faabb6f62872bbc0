import { type Handle, lookup } from "../../ground/db/index.ts";
import { isAgentId } from "../agents/index.ts";

/** What an agent's standing hangs on; the user's fields are null where there is no such user. */
export interface StandingRow {
  readonly name: string;
  readonly labels: string;
  readonly origin: "operator" | "self";
  readonly project: string | null;
  readonly agent_status: "active" | "suspended" | "revoked";
  readonly agent_epoch: number;
  readonly deleted_at: number | null;
  readonly tenant_status: "active" | "suspended" | "deleted";
  readonly tenant_epoch: number;
  readonly user_status: "active" | "suspended" | "revoked" | null;
  readonly user_epoch: number | null;
}

const read = lookup<{ tenant: string; agent: string; user: string }, StandingRow>((db, { tenant, agent, user }) =>
  db
    .selectFrom("agents as a")
    .innerJoin("tenants as t", "t.id", "a.tenant_id")
    .leftJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "a.tenant_id").on("u.id", "=", user))
    .select([
      "a.name as name",
      "a.labels as labels",
      "a.origin as origin",
      "a.project as project",
      "a.status as agent_status",
      "a.epoch as agent_epoch",
      "a.deleted_at as deleted_at",
      "t.status as tenant_status",
      "t.epoch as tenant_epoch",
      "u.status as user_status",
      "u.epoch as user_epoch",
    ])
    .where("a.tenant_id", "=", tenant)
    .where("a.id", "=", agent)
    .limit(1),
);

/** A user who acts without any agent, as what an app was given does. */
export type PersonRow = Pick<StandingRow, "tenant_status" | "tenant_epoch"> & {
  readonly user_status: "active" | "suspended" | "revoked";
  readonly user_epoch: number;
};

const person = lookup<{ tenant: string; user: string }, PersonRow>((db, { tenant, user }) =>
  db
    .selectFrom("users as u")
    .innerJoin("tenants as t", "t.id", "u.tenant_id")
    .select(["u.status as user_status", "u.epoch as user_epoch", "t.status as tenant_status", "t.epoch as tenant_epoch"])
    .where("u.tenant_id", "=", tenant)
    .where("u.id", "=", user)
    .limit(1),
);

/** An agent as whoever mints for it needs to know it. */
export interface ActorRow extends Omit<StandingRow, "user_status" | "user_epoch" | "deleted_at"> {
  readonly id: string;
  readonly issuer_id: string | null;
  readonly asserted_users: number;
}

const actorsBy = (column: "a.id" | "a.name") =>
  lookup<{ tenant: string; ref: string }, ActorRow>((db, { tenant, ref }) =>
    db
      .selectFrom("agents as a")
      .innerJoin("tenants as t", "t.id", "a.tenant_id")
      .select([
        "a.id as id",
        "a.name as name",
        "a.labels as labels",
        "a.origin as origin",
        "a.project as project",
        "a.status as agent_status",
        "a.epoch as agent_epoch",
        "a.issuer_id as issuer_id",
        "a.asserted_users as asserted_users",
        "t.status as tenant_status",
        "t.epoch as tenant_epoch",
      ])
      .where("a.tenant_id", "=", tenant)
      .where(column, "=", ref)
      .where("a.deleted_at", "is", null)
      .limit(1),
  );
const actorById = actorsBy("a.id");
const actorByName = actorsBy("a.name");

/** Everything that decides whether an agent may act for a user now, in one read. */
export const standingTable = {
  read: (db: Handle, tenant: string, agent: string, user: string): Promise<StandingRow | undefined> => read(db, { tenant, agent, user }),

  /** The same for a user without any agent. */
  person: (db: Handle, tenant: string, user: string): Promise<PersonRow | undefined> => person(db, { tenant, user }),

  /** A living agent by name or id. */
  actor: (db: Handle, tenant: string, ref: string): Promise<ActorRow | undefined> =>
    (isAgentId(ref) ? actorById : actorByName)(db, { tenant, ref }),
};
