import { thingName, webUrl } from "@legate/contract";
import { z } from "zod";
import type { Arns } from "../../../access/roles/index.ts";
import type { Issuer, Issuers } from "../../../identity/issuers/index.ts";
import { moment } from "../moment.ts";
import { type Operation, operation, readers, writers } from "../operation.ts";
import { json, text, textOrEmpty } from "../params.ts";
import { done, listed, listing } from "./lists.ts";

export interface IdentityProviderRooms {
  readonly issuers: Pick<Issuers, "create" | "get" | "list" | "count" | "update" | "remove">;
}

const encoded = (issuer: Issuer, arns: Arns) => ({
  IdentityProviderName: issuer.name,
  IdentityProviderArn: arns.issuer(issuer.name),
  Description: issuer.description,
  DiscoveryURL: issuer.discoveryUrl,
  AllowedAudience: issuer.audiences,
  CreateTime: moment(issuer.createdAt),
  UpdateTime: moment(issuer.updatedAt),
});

const audiences = json(z.array(z.string().min(1).max(512)).max(20));
const name = text(128);
const fields = { name: "IdentityProviderName", discoveryUrl: "DiscoveryURL", login: "DiscoveryURL" } as const;

/** Inbound identity providers are trusted issuers. One without an audience believes no token until it is given some. */
export const identityProviders = ({ issuers }: IdentityProviderRooms): readonly Operation[] => [
  operation({
    version: "2025-09-01",
    action: "CreateIdentityProvider",
    callers: writers,
    params: z.strictObject({
      IdentityProviderName: thingName,
      DiscoveryURL: webUrl,
      AllowedAudience: audiences.optional(),
      Description: textOrEmpty(2000).optional(),
    }),
    naming: { fields },
    act: async ({ who, params, arns }) => {
      const issuer = await issuers.create(who, {
        name: params.IdentityProviderName,
        discoveryUrl: params.DiscoveryURL,
        audiences: params.AllowedAudience ?? [],
        description: params.Description,
      });
      return { IdentityProvider: encoded(issuer, arns) };
    },
  }),

  operation({
    version: "2025-09-01",
    action: "GetIdentityProvider",
    callers: readers,
    params: z.strictObject({ IdentityProviderName: name }),
    act: async ({ who, params, arns }) => ({
      IdentityProvider: encoded(await issuers.get(who.tenant, params.IdentityProviderName), arns),
    }),
  }),

  operation({
    version: "2025-09-01",
    action: "ListIdentityProviders",
    callers: readers,
    params: z.strictObject(listing.params),
    naming: listing.naming,
    act: ({ who, params, arns }) =>
      listed("IdentityProviders", params, {
        page: (ask) => issuers.list(who.tenant, ask),
        count: () => issuers.count(who.tenant),
        encode: (issuer) => encoded(issuer, arns),
      }),
  }),

  operation({
    version: "2025-09-01",
    action: "UpdateIdentityProvider",
    callers: writers,
    params: z.strictObject({
      IdentityProviderName: name,
      DiscoveryURL: webUrl.optional(),
      AllowedAudience: audiences.optional(),
      Description: textOrEmpty(2000).optional(),
    }),
    naming: { fields },
    act: ({ who, params }) =>
      done(
        issuers.update(who, params.IdentityProviderName, {
          discoveryUrl: params.DiscoveryURL,
          audiences: params.AllowedAudience,
          description: params.Description,
        }),
      ),
  }),

  operation({
    version: "2025-09-01",
    action: "DeleteIdentityProvider",
    callers: writers,
    params: z.strictObject({ IdentityProviderName: name }),
    act: ({ who, params }) => done(issuers.remove(who, params.IdentityProviderName)),
  }),
];
