/**
 * The only way to ask the vault: every part of it decides which credential is meant, so no part can be left out. What was not asked for is the
 * empty text.
 */
export type CredentialKey = UserKey | AgentKey | StaticKey;

/** A credential that a stored connection gives; a static key has none. */
export type ConnectionKey = UserKey | AgentKey;

/** What one agent may do for one user at one provider. */
export interface UserKey extends Asked {
  readonly kind: "user";
  readonly user: string;
}

/** What one agent may do at one provider on its own account. */
export interface AgentKey extends Asked {
  readonly kind: "agent";
}

/** Whose: everything that hangs on one agent, user or provider. */
export interface Of {
  readonly kind: "agent" | "user" | "provider";
  readonly id: string;
}

/** The column that says so, in every table of the vault. */
export const columnOf = { agent: "agent_id", user: "user_id", provider: "provider_id" } as const;

/** An API key: the same for every agent that may use the provider. */
export interface StaticKey {
  readonly kind: "static";
  readonly tenant: string;
  readonly provider: string;
}

interface Asked {
  readonly tenant: string;
  readonly agent: string;
  /** The provider's id. */
  readonly provider: string;
  /** RFC 8707. */
  readonly resource: string;
  readonly audience: string;
  /** The resolved scopes as `scopesKey` writes them. */
  readonly scopes: string;
}

/** The whole key as one text: what maps are keyed by, and what sealed tokens are bound to. Two keys share it only if they are equal. */
export const keyText = (key: CredentialKey): string => {
  switch (key.kind) {
    case "user":
      return JSON.stringify(["user", key.tenant, key.agent, key.user, key.provider, key.resource, key.audience, key.scopes]);
    case "agent":
      return JSON.stringify(["agent", key.tenant, key.agent, key.provider, key.resource, key.audience, key.scopes]);
    case "static":
      return JSON.stringify(["static", key.tenant, key.provider]);
  }
};
