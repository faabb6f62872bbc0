import type { Handle } from "../../ground/db/index.ts";
import type { Client } from "../clients/index.ts";
import { rememberedConsentsTable } from "./remembered-consents-table.ts";

/** What a consent was, or would be, for. */
interface Consented {
  readonly user: string;
  readonly resource: string;
  readonly scopes: readonly string[];
}

/**
 * Whether whoever stands at this redirect URI can only be the client (RFC 8252 8.6): it proves itself, or the URI is a web site's. Any program of a
 * computer can open a loopback port or claim a scheme.
 */
export const isAssured = ({ kind }: Pick<Client, "kind">, redirectUri: string): boolean =>
  kind === "agent" || new URL(redirectUri).protocol === "https:";

/** Whether what is remembered covers all that is asked, of the client as it is now. */
export const isRemembered = async (handle: Handle, client: Client, { user, resource, scopes }: Consented): Promise<boolean> => {
  const found = await rememberedConsentsTable.find(handle, client.tenant, { client: client.id, user, resource });
  return found !== undefined && found.clientVersion === client.version && scopes.every((scope) => found.scopes.includes(scope));
};

const day = 24 * 60 * 60_000;

/** For how long a consent is remembered that nobody uses, in milliseconds: a client or a user who is gone never comes to use it. */
export const consentMemory = 365 * day;

/** It was used, and is remembered from now on; written down once a day. */
export const used = (tx: Handle, client: Client, { user, resource }: Consented, now: number): Promise<void> =>
  rememberedConsentsTable.touch(tx, client.tenant, { client: client.id, user, resource }, now, now - day);

/** Adds to what is remembered; what was said to a former version of the client is no longer worth anything. */
export const remember = async (tx: Handle, client: Client, { user, resource, scopes }: Consented, now: number): Promise<void> => {
  const key = { client: client.id, user, resource };
  const found = await rememberedConsentsTable.find(tx, client.tenant, key);
  const before = found?.clientVersion === client.version ? found.scopes : [];
  const all = [...new Set([...before, ...scopes])].sort();
  await rememberedConsentsTable.put(tx, client.tenant, { ...key, clientVersion: client.version, scopes: all }, now);
};
