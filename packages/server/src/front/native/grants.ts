import { type grant as grantWire, operations } from "@legate/contract";
import type { z } from "zod";
import type { Family, Grants } from "../../access/grants/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

const encode = (family: Family): z.input<typeof grantWire> => ({
  id: family.id,
  client: family.client,
  agent: family.agent?.id,
  user: family.user.id,
  resource: family.resource,
  scopes: [...family.scopes],
  status: family.status,
  reason: family.reason,
  createdAt: moment(family.createdAt),
  updatedAt: moment(family.updatedAt),
  expiresAt: moment(family.expiresAt),
});

/** What people granted OAuth clients. */
export const serveGrants = (serve: Serve, grants: Pick<Grants, "list" | "get" | "remove">): void => {
  serve(operations.listGrants, async ({ who, query: { limit, cursor, ...filter } }) =>
    pageOf(await grants.list(who.tenant, filter, { limit, cursor }), encode),
  );
  serve(operations.getGrant, async ({ who, params }) => encode(await grants.get(who.tenant, params.id)));
  serve(operations.deleteGrant, ({ who, params }) => grants.remove(who, params.id));
};
