import { operations } from "@legate/contract";
import type { Sessions, Vault } from "../../access/vault/index.ts";
import { moment, momentOrNone } from "./encode.ts";
import { Also, type Serve } from "./serve.ts";

interface Rooms {
  readonly vault: Pick<Vault, "apiKey" | "oauth2" | "sts">;
  readonly sessions: Pick<Sessions, "complete">;
}

export const serveCredentials = (serve: Serve, { vault, sessions }: Rooms): void => {
  serve(operations.getApiKey, ({ who, body }) => vault.apiKey(who, body));

  serve(operations.getOauth2Token, async ({ who, body }) => {
    const answer = await vault.oauth2(who, body);
    if (answer.status === "pending") return new Also(answer);
    const { accessToken, tokenType, expiresAt, scopes, missingScopes } = answer;
    return {
      accessToken,
      tokenType,
      expiresAt: momentOrNone(expiresAt),
      scopes: [...scopes],
      missingScopes: missingScopes && [...missingScopes],
    };
  });

  serve(operations.getStsCredential, async ({ who, body }) => {
    const { accessKeyId, accessKeySecret, securityToken, expiresAt } = await vault.sts(who, body);
    return { accessKeyId, accessKeySecret, securityToken, expiration: moment(expiresAt) };
  });

  serve(operations.completeAuthorization, async ({ who, body }) => {
    const { connectionId, scopes, missingScopes } = await sessions.complete(who, body);
    return { connection: connectionId, scopes: [...scopes], missingScopes: missingScopes && [...missingScopes] };
  });
};
