import { type clientKey as clientKeyWire, type client as clientWire, operations } from "@legate/contract";
import type { z } from "zod";
import type { App, Clients } from "../../access/clients/index.ts";
import type { Agents, ClientKey } from "../../identity/agents/index.ts";
import type { Issuers } from "../../identity/issuers/index.ts";
import { encodeKey } from "./agents.ts";
import { moment, momentOrNone, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly clients: Pick<Clients, "apps">;
  readonly agents: Pick<
    Agents,
    "createClientSecret" | "listClientSecrets" | "deleteClientSecret" | "createClientKey" | "listClientKeys" | "deleteClientKey"
  >;
  readonly issuers: Pick<Issuers, "get">;
}

const encodeClientKey = ({ id, kid, publicJwk, description, createdAt, lastUsedAt }: ClientKey): z.input<typeof clientKeyWire> => ({
  id,
  kid,
  jwk: { ...publicJwk },
  description,
  createdAt: moment(createdAt),
  lastUsedAt: momentOrNone(lastUsedAt),
});

/** Registered apps, and what makes an agent an OAuth client. */
export const serveClients = (serve: Serve, { clients: { apps }, agents, issuers }: Rooms): void => {
  /** Apps know their issuer by id; this wire tells its name. */
  const encoder =
    (tenant: string) =>
    async (app: App): Promise<z.input<typeof clientWire>> => ({
      id: app.id,
      name: app.name,
      title: app.title,
      redirectUris: [...app.redirectUris],
      issuer: app.issuerId === undefined ? undefined : (await issuers.get(tenant, app.issuerId)).name,
      scopes: app.scopes && [...app.scopes],
      status: app.status,
      createdAt: moment(app.createdAt),
      updatedAt: moment(app.updatedAt),
    });

  serve(operations.createClientSecret, ({ who, params, body }) => agents.createClientSecret(who, params.name, body));
  serve(operations.listClientSecrets, async ({ who, params, query }) =>
    pageOf(await agents.listClientSecrets(who.tenant, params.name, query), encodeKey),
  );
  serve(operations.deleteClientSecret, ({ who, params }) => agents.deleteClientSecret(who, params.name, params.id));

  serve(operations.createClientKey, async ({ who, params, body }) => encodeClientKey(await agents.createClientKey(who, params.name, body)));
  serve(operations.listClientKeys, async ({ who, params, query }) =>
    pageOf(await agents.listClientKeys(who.tenant, params.name, query), encodeClientKey),
  );
  serve(operations.deleteClientKey, ({ who, params }) => agents.deleteClientKey(who, params.name, params.id));

  serve(operations.createClient, async ({ who, body }) => encoder(who.tenant)(await apps.create(who, body)));
  serve(operations.listClients, async ({ who, query }) => pageOf(await apps.list(who.tenant, query), encoder(who.tenant)));
  serve(operations.getClient, async ({ who, params }) => encoder(who.tenant)(await apps.get(who.tenant, params.name)));
  serve(operations.updateClient, async ({ who, params, body }) => encoder(who.tenant)(await apps.update(who, params.name, body)));
  serve(operations.deleteClient, ({ who, params }) => apps.remove(who, params.name));
  serve(operations.suspendClient, async ({ who, params }) => encoder(who.tenant)(await apps.suspend(who, params.name)));
  serve(operations.resumeClient, async ({ who, params }) => encoder(who.tenant)(await apps.resume(who, params.name)));
};
