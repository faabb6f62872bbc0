import type { operations } from "@legate/contract";
import type { z } from "zod";
import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { type Agent, type Agents, mayUse } from "../../identity/agents/index.ts";
import type { StandingCheck } from "../../identity/tokens/index.ts";
import { type Provider, type Providers, scopesKey, suspended } from "../providers/index.ts";
import { isDue, isValid, missingScopes, type Stored, type Tokens } from "./connection.ts";
import { openTokens } from "./connections.ts";
import { connectionsTable } from "./connections-table.ts";
import type { ConnectionKey, UserKey } from "./credential-key.ts";
import type { Refresh, Renewed } from "./refresh.ts";

/** What may be asked, as the wire's own operation parses it. */
export type Oauth2Ask = z.output<typeof operations.getOauth2Token.body>;

/** A token, or where the user consents. */
export type Oauth2Answer =
  | {
      readonly status: "ready";
      readonly accessToken: string;
      readonly tokenType: string;
      /** Milliseconds since 1970; absent where the provider did not say. */
      readonly expiresAt?: number;
      /** What was granted. */
      readonly scopes: readonly string[];
      /** What was asked for and not granted; absent where nothing is missing. */
      readonly missingScopes?: readonly string[];
    }
  | { readonly status: "pending"; readonly authorizationUrl: string; readonly sessionUri: string };

/** The consents under way, as far as asking for a credential needs them. */
export interface Consents {
  begin(
    tx: Handle,
    who: Principal,
    wanted: {
      readonly key: UserKey;
      readonly requestedScopes: readonly string[];
      readonly provider: Provider;
      readonly agent: Agent;
      readonly returnUrl?: string | undefined;
      readonly customState?: string | undefined;
      readonly customParameters: Readonly<Record<string, string>>;
      readonly forced: boolean;
    },
  ): Promise<{ readonly authorizationUrl: string; readonly sessionUri: string }>;
  /** @throws Refusal session_unknown, authorization_denied, authorization_expired, authorization_failed */
  poll(
    who: Principal,
    sessionUri: string,
    providerId: string,
  ): Promise<
    | { readonly state: "pending"; readonly authorizationUrl: string }
    | { readonly state: "completed"; readonly connectionId: string; readonly connectionVersion: number }
  >;
}

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly seal: Seal;
  readonly agents: Pick<Agents, "byId">;
  readonly providers: Pick<Providers, "byId" | "usable">;
  readonly standing: Pick<StandingCheck, "alive">;
  readonly consents: Consents;
  readonly refresh: Refresh;
}

/**
 * How many bytes resource, audience and scopes may take together. They are parts of a key that both stores index, and PostgreSQL indexes no
 * more than 2,704 bytes.
 */
const longestKey = 2_400;

const unknownProvider = (name: string) =>
  new Refusal("provider_unknown", `There is no credential provider named ${name} that this agent may use.`, { provider: name });

const nothingLeft = () =>
  new Refusal("authorization_failed", "What this consent gave no longer stands. Ask for the credential again to begin a new one.", {
    reason: "connection_gone",
  });

/** @throws Refusal provider_wrong_type */
const checkServes = (provider: Provider, flow: NonNullable<Oauth2Ask["flow"]>): void => {
  if (provider.type !== "oauth2") throw new Refusal("provider_wrong_type", "This provider holds an API key and gives no OAuth 2 tokens.");
  if (flow === "ON_BEHALF_OF_TOKEN_EXCHANGE")
    throw new Refusal(
      "provider_wrong_type",
      "This server does not exchange a user's token on their behalf; ask for USER_FEDERATION or M2M.",
    );
  if (provider.flows && !provider.flows.includes(flow))
    throw new Refusal("provider_wrong_type", `This provider does not serve the flow ${flow}.`, { flow, flows: provider.flows });
};

/** @throws Refusal invalid_request */
const checkLength = (key: ConnectionKey): void => {
  if (Buffer.byteLength(key.resource) + Buffer.byteLength(key.audience) + Buffer.byteLength(key.scopes) <= longestKey) return;
  throw new Refusal("invalid_request", `Resource, audience and scopes may take ${longestKey} bytes together.`, {
    issues: [{ path: "scopes", message: `must, with resource and audience, take at most ${longestKey} bytes` }],
  });
};

/** Answers a credential under one whole key, renewing it or sending the user to consent where there is no live one. */
export const makeOauth2 = ({ db, audit, clock, seal, agents, providers, standing, consents, refresh }: Needs) => {
  /** The token is answered only once the row that tells of it is committed. */
  const serve = async (who: Principal, stored: Stored, opened?: Tokens): Promise<Oauth2Answer> => {
    const tokens = opened ?? (await openTokens(seal, stored));
    if (!tokens) throw new Error("An active connection holds no tokens.");
    const { requestedScopes, grantedScopes, refreshable, expiresAt, key } = stored;
    await audit.note(who, "credential.read", { target: stored.id, details: { provider: key.provider, scopes: grantedScopes } });
    const missing = missingScopes(requestedScopes, grantedScopes, refreshable);
    return {
      status: "ready",
      accessToken: tokens.accessToken,
      tokenType: tokens.tokenType,
      ...(expiresAt !== undefined && { expiresAt }),
      scopes: grantedScopes,
      ...(missing.length > 0 && { missingScopes: missing }),
    };
  };

  const serveRenewed = async (who: Principal, renewed: Renewed & { kind: "live" }): Promise<Oauth2Answer> => {
    // The provider may have taken seconds, in which somebody was suspended, or the provider, or the agent's leave to use it was taken.
    await standing.alive(who);
    const provider = await providers.byId(db.read, who.tenant, renewed.stored.key.provider);
    if (!provider || !who.agent || !mayUse(provider.agents, who.agent))
      throw unknownProvider(provider?.name ?? renewed.stored.key.provider);
    if (provider.status !== "active") throw suspended(provider.name);
    return serve(who, renewed.stored, renewed.tokens);
  };

  /** Answers undefined where only the user can help. */
  const fromGrant = async (who: Principal, stored: Stored): Promise<Oauth2Answer | undefined> => {
    if (stored.state !== "active") return undefined;
    if (!isDue(stored, clock())) return serve(who, stored);
    if (!stored.refreshable) return isValid(stored, clock()) ? serve(who, stored) : undefined;
    const renewed = await refresh.renew(who, { key: stored.key, requestedScopes: stored.requestedScopes, seen: stored });
    return renewed.kind === "live" ? serveRenewed(who, renewed) : undefined;
  };

  const ownToken = async (who: Principal, key: ConnectionKey, requestedScopes: readonly string[], stored: Stored | undefined) => {
    if (stored?.state === "active" && !isDue(stored, clock())) return serve(who, stored);
    const renewed = await refresh.renew(who, { key, requestedScopes, seen: stored });
    if (renewed.kind === "lapsed") throw new Error("An agent's own token waits for no consent.");
    return serveRenewed(who, renewed);
  };

  /** The session says which connection its consent made; what the caller asks for as well must be the same. */
  const polled = async (who: Principal, ask: Oauth2Ask, sessionUri: string, asked: UserKey): Promise<Oauth2Answer> => {
    const session = await consents.poll(who, sessionUri, asked.provider);
    if (session.state === "pending") return { status: "pending", authorizationUrl: session.authorizationUrl, sessionUri };
    const stored = await connectionsTable.byId(db.read, asked.tenant, session.connectionId);
    // A forced consent's session never answers what was there before it.
    if (!stored || stored.version < session.connectionVersion) throw nothingLeft();
    const { key } = stored;
    const same =
      key.kind === "user" &&
      key.agent === asked.agent &&
      key.user === asked.user &&
      key.provider === asked.provider &&
      (ask.resource === undefined || key.resource === asked.resource) &&
      (ask.audience === undefined || key.audience === asked.audience) &&
      (ask.scopes === undefined || key.scopes === asked.scopes);
    if (!same) throw new Refusal("session_unknown", "This authorization session is for another credential than the one asked for.");
    const answer = await fromGrant(who, stored);
    if (!answer) throw nothingLeft();
    return answer;
  };

  const begin = async (who: Principal, ask: Oauth2Ask, key: UserKey, requestedScopes: readonly string[]): Promise<Oauth2Answer> => {
    const begun = await db.write(async (tx) => {
      const provider = await providers.byId(tx, key.tenant, key.provider);
      if (!provider) throw unknownProvider(ask.provider);
      if (provider.status !== "active") throw suspended(provider.name);
      const agent = await agents.byId(tx, key.tenant, key.agent);
      if (!agent) throw new Refusal("unauthenticated", "The agent of this workload token is gone.");
      const { returnUrl, customState, customParameters = {}, forceAuthentication: forced = false } = ask;
      return consents.begin(tx, who, { key, requestedScopes, provider, agent, returnUrl, customState, customParameters, forced });
    });
    return { status: "pending", authorizationUrl: begun.authorizationUrl, sessionUri: begun.sessionUri };
  };

  /**
   * @throws Refusal provider_unknown, provider_suspended, provider_wrong_type, user_required, invalid_request, session_unknown, authorization_denied,
   * authorization_expired, authorization_failed, provider_refused, provider_unavailable, and what beginning a consent refuses
   */
  return async (who: Principal, ask: Oauth2Ask): Promise<Oauth2Answer> => {
    const { agent, user } = who;
    if (!agent) throw new Refusal("forbidden", "Only an agent may ask for a credential.");
    const asked = { tenant: who.tenant, agent: agent.id, resource: ask.resource ?? "", audience: ask.audience ?? "" };
    const askedScopes = ask.scopes && scopesKey(ask.scopes);
    const provider = await providers.usable(who, ask.vault, ask.provider);
    // A provider that serves one flow is asked in no other; whoever serves more is asked for the user where there is one.
    const [only, another] = provider.flows ?? [];
    const flow = ask.flow ?? (only !== undefined && another === undefined ? only : user ? "USER_FEDERATION" : "M2M");
    checkServes(provider, flow);
    if (flow === "USER_FEDERATION" && !user)
      throw new Refusal("user_required", "USER_FEDERATION acts for a user, and the workload token names none.");
    const requestedScopes = ask.scopes ?? provider.scopes;
    const whole = { provider: provider.id, scopes: askedScopes ?? provider.scopesKey, ...asked };

    if (flow === "M2M" || !user) {
      if (ask.sessionUri !== undefined)
        throw new Refusal("invalid_request", "M2M has no consent to poll.", {
          issues: [{ path: "sessionUri", message: "belongs to USER_FEDERATION" }],
        });
      const key: ConnectionKey = { kind: "agent", ...whole };
      checkLength(key);
      return ownToken(who, key, requestedScopes, await connectionsTable.byKey(db.read, key));
    }
    const key: UserKey = { kind: "user", user: user.id, ...whole };
    checkLength(key);
    if (ask.sessionUri !== undefined) return polled(who, ask, ask.sessionUri, key);
    const connection = ask.forceAuthentication ? undefined : await connectionsTable.byKey(db.read, key);
    const answer = connection && (await fromGrant(who, connection));
    return answer ?? begin(who, ask, key, requestedScopes);
  };
};
