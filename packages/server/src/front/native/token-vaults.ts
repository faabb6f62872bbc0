import { operations, type tokenVault as tokenVaultWire } from "@legate/contract";
import type { z } from "zod";
import type { TokenVault, Vaults } from "../../access/providers/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

const encode = ({ name, description, createdAt, updatedAt }: TokenVault): z.input<typeof tokenVaultWire> => ({
  name,
  description,
  createdAt: moment(createdAt),
  updatedAt: moment(updatedAt),
});

export const serveTokenVaults = (
  serve: Serve,
  { tokenVaults }: { readonly tokenVaults: Pick<Vaults, "list" | "get" | "remove"> },
): void => {
  serve(operations.listTokenVaults, async ({ who, query }) => pageOf(await tokenVaults.list(who.tenant, query), encode));
  serve(operations.getTokenVault, async ({ who, params }) => encode(await tokenVaults.get(who.tenant, params.name)));
  serve(operations.deleteTokenVault, ({ who, params }) => tokenVaults.remove(who, params.name));
};
