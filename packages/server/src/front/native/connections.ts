import { type connection as connectionWire, operations } from "@legate/contract";
import type { z } from "zod";
import type { Connection, Vault } from "../../access/vault/index.ts";
import { moment, momentOrNone, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

const encode = (connection: Connection): z.input<typeof connectionWire> => ({
  id: connection.id,
  agent: connection.agent,
  user: connection.user,
  provider: connection.provider,
  state: connection.state,
  resource: connection.resource,
  audience: connection.audience,
  requestedScopes: [...connection.requestedScopes],
  grantedScopes: [...connection.grantedScopes],
  expiresAt: momentOrNone(connection.expiresAt),
  refreshable: connection.refreshable,
  createdAt: moment(connection.createdAt),
  updatedAt: moment(connection.updatedAt),
});

export const serveConnections = (serve: Serve, vault: Pick<Vault, "listConnections" | "getConnection" | "revokeConnection">): void => {
  serve(operations.listConnections, async ({ who, query: { limit, cursor, ...filter } }) =>
    pageOf(await vault.listConnections(who.tenant, filter, { limit, cursor }), encode),
  );
  serve(operations.getConnection, async ({ who, params }) => encode(await vault.getConnection(who.tenant, params.id)));
  serve(operations.deleteConnection, ({ who, params }) => vault.revokeConnection(who, params.id));
};
