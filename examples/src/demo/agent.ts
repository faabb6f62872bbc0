import { createHash } from "node:crypto";
import { type LegateClient, withAccessToken } from "@legate/sdk";

/** What the agent learnt with the token it was given. */
export interface Findings {
  /** Whom the provider took the agent to be acting for. */
  readonly user: string;
  readonly scopes: readonly string[];
  /** The beginning of the token's SHA-256, to tell tokens apart without showing one. */
  readonly tokenHash: string;
}

export interface AgentOptions {
  readonly client: LegateClient;
  /** Where the browser comes back to after the consent. */
  readonly callbackUrl: string;
  /** The provider's resource that the agent reads. */
  readonly resourceUrl: string;
}

/**
 * The agent: a function that wants an access token and does not care where it comes from. For whom it acts is said by the `AgentContext` it runs in.
 *
 * @throws AuthorizationRequiredError when the user has not consented yet
 */
export const makeAgent = ({ client, callbackUrl, resourceUrl }: AgentOptions): (() => Promise<Findings>) =>
  withAccessToken(
    { client, provider: "example", scopes: ["openid", "read"], callbackUrl },
    async ({ accessToken }: { accessToken: string }): Promise<Findings> => {
      const answer = await fetch(resourceUrl, { headers: { authorization: `Bearer ${accessToken}` } });
      if (!answer.ok) throw new Error(`The provider's resource answered ${answer.status}.`);
      const { user = "nobody", scopes = [] } = (await answer.json()) as { user?: string; scopes?: readonly string[] };
      return { user, scopes, tokenHash: createHash("sha256").update(accessToken).digest("hex").slice(0, 8) };
    },
  );
