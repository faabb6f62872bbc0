import type { Client } from "./client.ts";

/** An app that people use, as an operator registered it: a public client. */
export interface App {
  /** `cli_` and 32 hex digits, never reused. */
  readonly id: string;
  /** Unique in the tenant. */
  readonly name: string;
  readonly title: string | undefined;
  readonly redirectUris: readonly string[];
  /** The trusted issuer at which its users log in. */
  readonly issuerId: string | undefined;
  /** The most it may ever ask; undefined where only the resources limit it. */
  readonly scopes: readonly string[] | undefined;
  readonly status: "active" | "suspended";
  /** Raised by every change that a person who consented before should see anew. */
  readonly version: number;
  /** Raised whenever it is suspended or resumed: what was granted before is dead. */
  readonly epoch: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What a public client that people use may do. */
export const grantTypesOfApps = ["authorization_code", "refresh_token"] as const;

export const clientOfApp = (tenant: string, { id, name, title, redirectUris, issuerId, scopes, version, epoch }: App): Client => ({
  tenant,
  id,
  kind: "app",
  name: title ?? name,
  redirectUris,
  grantTypes: grantTypesOfApps,
  scopes,
  agent: undefined,
  issuerId,
  version: String(version),
  epoch,
});
