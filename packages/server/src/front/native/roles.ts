import { operations, type role as roleWire } from "@legate/contract";
import type { z } from "zod";
import type { Role, Roles } from "../../access/roles/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly db: Pick<Db, "read">;
  readonly roles: Pick<Roles, "create" | "list" | "get" | "update" | "remove">;
  readonly agents: Pick<Agents, "entriesToNames">;
}

type Document = Readonly<Record<string, unknown>>;

/** Rooms know policies as JSON text; this wire has them as JSON. */
const textOf = <T extends Document | null | undefined>(policy: T): string | (T & (null | undefined)) =>
  (policy === null || policy === undefined ? policy : JSON.stringify(policy)) as string | (T & (null | undefined));

const documentOf = (text: string | undefined): Record<string, unknown> | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>);

export const serveRoles = (serve: Serve, { db, roles, agents }: Rooms): void => {
  const encoder =
    (tenant: string) =>
    async (role: Role): Promise<z.input<typeof roleWire>> => ({
      id: role.id,
      name: role.name,
      arn: role.arn,
      description: role.description,
      agents: [...(await agents.entriesToNames(db.read, tenant, role.agents))],
      trustPolicy: documentOf(role.trustPolicy),
      permissionPolicy: documentOf(role.permissionPolicy),
      cloud: role.cloud,
      createdAt: moment(role.createdAt),
      updatedAt: moment(role.updatedAt),
    });

  serve(operations.createRole, async ({ who, body: { trustPolicy, permissionPolicy, ...body } }) => {
    const policies = { trustPolicy: textOf(trustPolicy), permissionPolicy: textOf(permissionPolicy) };
    return encoder(who.tenant)(await roles.create(who, { ...body, ...policies }));
  });
  serve(operations.listRoles, async ({ who, query }) => pageOf(await roles.list(who.tenant, query), encoder(who.tenant)));
  serve(operations.getRole, async ({ who, params }) => encoder(who.tenant)(await roles.get(who.tenant, params.name)));
  serve(operations.updateRole, async ({ who, params, body: { trustPolicy, permissionPolicy, ...body } }) => {
    const policies = { trustPolicy: textOf(trustPolicy), permissionPolicy: textOf(permissionPolicy) };
    return encoder(who.tenant)(await roles.update(who, params.name, { ...body, ...policies }));
  });
  serve(operations.deleteRole, ({ who, params }) => roles.remove(who, params.name, { detaching: true }));
};
