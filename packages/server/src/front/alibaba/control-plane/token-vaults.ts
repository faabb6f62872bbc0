import { thingName } from "@legate/contract";
import { z } from "zod";
import type { TokenVault, Vaults } from "../../../access/providers/index.ts";
import type { Arns } from "../../../access/roles/index.ts";
import { moment } from "../moment.ts";
import { type Operation, operation, readers, writers } from "../operation.ts";
import { json, text, textOrEmpty } from "../params.ts";
import { done, listed, listing } from "./lists.ts";

export interface TokenVaultRooms {
  readonly tokenVaults: Pick<Vaults, "create" | "get" | "list" | "count" | "update" | "remove">;
}

/** What only this wire says of a vault. Every secret is sealed with the tenant's data key, whatever stands here. */
interface Own {
  readonly EncryptionConfig?: z.output<typeof encryption> | undefined;
  readonly RoleArn?: string | undefined;
}

const encryption = z
  .strictObject({ KeyType: z.enum(["SERVICE_MANAGED_KEY", "CUSTOMER_MANAGED_KEY"]), KmsKeyArn: text(512).optional() })
  .refine(({ KeyType, KmsKeyArn }) => (KeyType === "CUSTOMER_MANAGED_KEY") === (KmsKeyArn !== undefined), {
    message: "a customer managed key has a KmsKeyArn, and no other has",
    path: ["KmsKeyArn"],
  });

const ownOf = ({ foreign }: TokenVault): Own => (foreign["alibaba"] ?? {}) as Own;

/** Those that are said; an empty role is none. */
const own = ({ EncryptionConfig, RoleArn }: Own): Record<string, unknown> => ({
  ...(EncryptionConfig && { EncryptionConfig }),
  ...(RoleArn && { RoleArn }),
});

const created = (vault: TokenVault, arns: Arns) => {
  const { EncryptionConfig = { KeyType: "SERVICE_MANAGED_KEY" as const }, RoleArn } = ownOf(vault);
  return {
    TokenVaultName: vault.name,
    TokenVaultArn: arns.vault(vault.name),
    Description: vault.description,
    EncryptionConfig,
    RoleArn,
    CreateTime: moment(vault.createdAt),
  };
};

const encoded = (vault: TokenVault, arns: Arns) => ({ ...created(vault, arns), UpdateTime: moment(vault.updatedAt) });

const name = text(128);

export const tokenVaults = ({ tokenVaults: vaults }: TokenVaultRooms): readonly Operation[] => [
  operation({
    version: "2025-09-01",
    action: "CreateTokenVault",
    callers: writers,
    params: z.strictObject({
      TokenVaultName: thingName,
      Description: textOrEmpty(2000).optional(),
      EncryptionConfig: json(encryption).optional(),
      RoleArn: text(512).optional(),
    }),
    act: async ({ who, params, arns }) => {
      const { TokenVaultName, Description } = params;
      const vault = await vaults.create(who, { name: TokenVaultName, description: Description, foreign: { alibaba: own(params) } });
      return { TokenVault: created(vault, arns) };
    },
  }),

  operation({
    version: "2025-09-01",
    action: "GetTokenVault",
    callers: readers,
    params: z.strictObject({ TokenVaultName: name }),
    act: async ({ who, params, arns }) => ({ TokenVault: encoded(await vaults.get(who.tenant, params.TokenVaultName), arns) }),
  }),

  operation({
    version: "2025-09-01",
    action: "ListTokenVaults",
    callers: readers,
    params: z.strictObject(listing.params),
    naming: listing.naming,
    act: ({ who, params, arns }) =>
      listed("TokenVaults", params, {
        page: (ask) => vaults.list(who.tenant, ask),
        count: () => vaults.count(who.tenant),
        encode: (vault) => encoded(vault, arns),
      }),
  }),

  operation({
    version: "2025-09-01",
    action: "UpdateTokenVault",
    callers: writers,
    params: z.strictObject({
      TokenVaultName: name,
      Description: textOrEmpty(2000).optional(),
      RoleArn: textOrEmpty(512).optional(),
    }),
    act: async ({ who, params }) => {
      const { TokenVaultName, Description, RoleArn } = params;
      const current = await vaults.get(who.tenant, TokenVaultName);
      const foreign = RoleArn === undefined ? undefined : { alibaba: own({ ...ownOf(current), RoleArn }) };
      return done(vaults.update(who, TokenVaultName, { description: Description, foreign }));
    },
  }),

  operation({
    version: "2025-09-01",
    action: "DeleteTokenVault",
    callers: writers,
    params: z.strictObject({ TokenVaultName: name }),
    act: ({ who, params }) => done(vaults.remove(who, params.TokenVaultName)),
  }),
];
