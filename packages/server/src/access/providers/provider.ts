import type { flow, newProvider, providerChange, providerKind } from "@legate/contract";
import type { z } from "zod";
import type { Foreign, Random } from "../../ground/kernel/index.ts";

export type Flow = z.output<typeof flow>;
export type KindName = z.output<typeof providerKind>;
export type ClientAuthMethod = "client_secret_basic" | "client_secret_post" | "private_key_jwt" | "none";
/** `foreign` is what only one foreign wire says of it, by that wire. */
export type NewProvider = z.output<typeof newProvider> & { readonly foreign?: Foreign | undefined };
/** `kind` changes on wires where a provider's vendor may; `foreign` replaces what the wires named in it said before. */
export type ProviderChange = z.output<typeof providerChange> & {
  readonly kind?: KindName | undefined;
  readonly foreign?: Foreign | undefined;
};

/** What gives credentials: an API key that is kept, or an OAuth 2 client at someone's authorization server. */
export interface Provider {
  /** `prv_` and 32 hex digits, never reused. */
  readonly id: string;
  readonly vault: string;
  /** Unique in its vault. */
  readonly name: string;
  readonly type: "api_key" | "oauth2" | "sts";
  readonly kind: KindName | undefined;
  /** While suspended nothing of it is handed out, refreshed or consented to. */
  readonly status: "active" | "suspended";
  /** Who may use it: agent ids, `label:...` or `*`. */
  readonly agents: readonly string[];
  readonly discoveryUrl: string | undefined;
  readonly authorizationEndpoint: string | undefined;
  readonly tokenEndpoint: string | undefined;
  readonly issuer: string | undefined;
  readonly clientId: string | undefined;
  readonly clientAuth: ClientAuthMethod | undefined;
  /** Opens only under `providers/<id>/secret`. */
  readonly sealedSecret: string | undefined;
  /** Asked for where a request names none; in the order given. */
  readonly scopes: readonly string[];
  readonly scopesKey: string;
  /** Every flow when undefined. */
  readonly flows: readonly Flow[] | undefined;
  readonly description: string | undefined;
  /** What is sent as the redirect URI where it is not our own callback: an address that forwards to it. */
  readonly redirectUri: string | undefined;
  /** Whether PKCE is sent; as the kind has it when undefined. */
  readonly pkce: boolean | undefined;
  /** Of type `sts`: the name or ARN of the role it hands out; the agent's own where there is none. */
  readonly roleArn: string | undefined;
  /** What only one foreign wire says of it, by that wire: returned by it, read by nobody else. */
  readonly foreign: Foreign;
  /** What looked wrong when it was last written. */
  readonly warnings: readonly string[];
  /** Raised by every change. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const idForm = /^prv_[0-9a-f]{32}$/;

export const newProviderId = (random: Random): string => `prv_${random(16).toString("hex")}`;

export const isProviderId = (text: string): boolean => idForm.test(text);

/** Where a provider's secret is sealed. */
export const secretIdentity = (id: string): string => `providers/${id}/secret`;

/** Scopes as a connection's key holds them: sorted, no repeats. */
export const scopesKey = (scopes: readonly string[]): string => JSON.stringify([...new Set(scopes)].sort());
