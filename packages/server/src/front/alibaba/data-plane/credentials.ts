import { operations } from "@legate/contract";
import { z } from "zod";
import type { Vault } from "../../../access/vault/index.ts";
import type { Audit } from "../../../ground/audit/index.ts";
import { type Clock, type Principal, Refusal } from "../../../ground/kernel/index.ts";
import { type Call, type Operation, operation } from "../operation.ts";
import { flag, json, text, textOrEmpty } from "../params.ts";
import { makeSpend, type SpendRooms } from "./spend.ts";
import { lasting, version } from "./version.ts";

export interface CredentialRooms extends SpendRooms {
  readonly vault: Pick<Vault, "apiKey" | "oauth2">;
  readonly audit: Pick<Audit, "refused">;
  readonly clock: Clock;
}

const callers = [...lasting, "temporary"] as const;

const common = {
  WorkloadAccessToken: text(16_384),
  ResourceCredentialProviderName: text(128),
  TokenVaultName: text(128).optional(),
};
const fields = { provider: "ResourceCredentialProviderName", vault: "TokenVaultName" };

const { customParameters, scopes, returnUrl } = operations.getOauth2Token.body.shape;

/** What stands in a query is text: a number, a truth value, a list or an object (OpenID Connect's `claims`) goes there as its JSON. */
const asText = (value: unknown): unknown => (typeof value === "string" || value === null ? value : JSON.stringify(value));

const oauth2Params = {
  ...common,
  OAuth2Flow: z.enum(["USER_FEDERATION", "M2M"], "is neither USER_FEDERATION nor M2M").optional(),
  Scopes: json(scopes.unwrap()).optional(),
  ResourceOAuth2ReturnURL: returnUrl,
  SessionURI: text(512).optional(),
  ForceAuthentication: flag.optional(),
  CustomState: textOrEmpty(2048).optional(),
  CustomParameters: json(
    z
      .record(z.string(), z.unknown())
      .transform((given) => Object.fromEntries(Object.entries(given).map(([name, value]) => [name, asText(value)])))
      .pipe(customParameters.unwrap()),
  ).optional(),
  Audience: text(512).optional(),
};

const oauth2Fields = {
  ...fields,
  flow: "OAuth2Flow",
  scopes: "Scopes",
  returnUrl: "ResourceOAuth2ReturnURL",
  sessionUri: "SessionURI",
  customState: "CustomState",
  customParameters: "CustomParameters",
  audience: "Audience",
};

/** Credentials out of the vault, for whom a workload access token stands. */
export const credentials = (rooms: CredentialRooms): readonly Operation[] => {
  const { vault, audit, clock } = rooms;
  const spend = makeSpend(rooms);

  /** @throws Refusal forbidden */
  const refuse = async (who: Principal, action: string, resources: readonly string[]): Promise<never> => {
    await audit.refused(who, "request.refused", { details: { reason: "not_permitted", action, resources } });
    throw new Refusal("forbidden", `The role of this temporary key, or the session's own policy, does not permit ${action} here.`);
  };

  type Named = Pick<Call<z.ZodObject>, "who" | "arns" | "source"> & {
    readonly params: z.output<z.ZodObject<typeof common>>;
  };
  /**
   * What the vault gives whom the token stands for, if the key may spend it here. A temporary key is worth what its role permits with agent and
   * provider: before the vault is asked, and when it answers, for a provider may take its time.
   */
  const given = async <T>(
    { who, arns, source, params }: Named,
    action: string,
    arnOf: (vault: string, name: string) => string,
    ask: (holder: Principal) => Promise<T>,
  ): Promise<T> => {
    const holder = await spend({ who, source }, params.WorkloadAccessToken);
    if (who.method !== "temporary_key") return ask(holder);
    const provider = arnOf(params.TokenVaultName ?? "default", params.ResourceCredentialProviderName);
    const asked = [`agentidentitydata:${action}`, [arns.agent(holder.agent?.name ?? ""), provider]] as const;
    if (who.session?.permits(...asked) !== true) return refuse(who, ...asked);
    const answer = await ask(holder);
    return (await who.session.permitsStill(...asked)) ? answer : refuse(who, ...asked);
  };

  return [
    operation({
      version,
      action: "GetResourceAPIKey",
      callers,
      params: z.strictObject(common),
      naming: { provider: "APIKeyCredentialProvider", fields },
      act: async (call) => {
        const { ResourceCredentialProviderName: provider, TokenVaultName } = call.params;
        const { apiKey } = await given(call, "GetResourceAPIKey", call.arns.apiKeyProvider, (holder) =>
          vault.apiKey(holder, { provider, vault: TokenVaultName }),
        );
        return { APIKey: apiKey };
      },
    }),
    operation({
      version,
      action: "GetResourceOAuth2Token",
      callers,
      params: z.strictObject(oauth2Params),
      naming: { fields: oauth2Fields },
      act: async (call) => {
        const { params } = call;
        const asked = {
          provider: params.ResourceCredentialProviderName,
          vault: params.TokenVaultName,
          flow: params.OAuth2Flow,
          scopes: params.Scopes,
          returnUrl: params.ResourceOAuth2ReturnURL,
          // The original's sample sends the state of a chat that has none as nothing at all.
          customState: params.CustomState || undefined,
          customParameters: params.CustomParameters,
          forceAuthentication: params.ForceAuthentication,
          sessionUri: params.SessionURI,
          audience: params.Audience,
        };
        const answer = await given(call, "GetResourceOAuth2Token", call.arns.oauth2Provider, (holder) => vault.oauth2(holder, asked));
        if (answer.status === "pending")
          return { AuthorizationURL: answer.authorizationUrl, SessionURI: answer.sessionUri, SessionStatus: "IN_PROGRESS" };
        const { accessToken, expiresAt } = answer;
        return {
          AccessToken: accessToken,
          ...(expiresAt !== undefined && { ExpiresIn: Math.max(0, Math.floor((expiresAt - clock()) / 1000)) }),
        };
      },
    }),
  ];
};
