import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Replay } from "../../ground/replay/index.ts";
import type { Issuers } from "../../identity/issuers/index.ts";
import type { StandingCheck, Tokens } from "../../identity/tokens/index.ts";
import type { Users } from "../../identity/users/index.ts";
import type { Client, Clients } from "../clients/index.ts";
import type { Asker, Granted, TokenRequest } from "./token-request.ts";

/** What the grants need of the other rooms. */
export interface GrantsNeeds {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly replay: Pick<Replay, "use">;
  /** A tenant's issuer URL. */
  readonly issuerOf: (tenant: string) => string;
  readonly users: Pick<Users, "proven">;
  readonly issuers: Pick<Issuers, "verify">;
  readonly tokens: Pick<Tokens, "mint" | "verify">;
  readonly standing: Pick<StandingCheck, "chain" | "actor">;
  readonly clients: Pick<Clients, "find" | "resources">;
}

/** What a grant found in a request. */
export interface Found {
  readonly granted: Granted;
  /** What it goes by, where the scopes of the request mean nothing to it. */
  readonly asked?: Pick<TokenRequest, "scopes"> | undefined;
  /** What an ID token would say, where one may be given. */
  readonly login?: { readonly nonce: string | undefined } | undefined;
  /** RFC 8693 2.2.1. */
  readonly issuedTokenType?: string | undefined;
  /**
   * What becomes of what was presented, in the transaction that records the token. A no is returned, so that what it wrote is kept.
   * @param issued `expiresAt`: when the access token ends.
   */
  readonly settle?: (tx: Handle, issued: { readonly expiresAt: number }) => Promise<Refusal | Settled>;
}

/** What else is answered. */
export interface Settled {
  readonly refreshToken?: string | undefined;
}

/** One way to a token: a file each. Whatever is common to all is the host's: who may use it, how far it reaches, minting, recording. */
export interface Grant {
  /** RFC 6749 4.5. */
  readonly name: string;
  /** Looks at what was presented; nothing is used up yet. @throws Refusal */
  readonly find: (asker: Asker, request: TokenRequest) => Promise<Found>;
}

/** Said of whatever was presented and is worth nothing, always in the same words. */
export const grantInvalid = (): Refusal =>
  new Refusal("grant_invalid", "The code, token or assertion that was presented is unknown, spent, expired, or another client's.");

/** A parameter of a request. @throws Refusal invalid_request where it is missing */
export const required = ({ parameters }: TokenRequest, name: string): string => {
  const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  // RFC 6749 3.2: a parameter without a value counts as left out.
  if (value === undefined || value === "") throw new Refusal("invalid_request", `The parameter ${name} is missing.`);
  return value;
};

/** A parameter of a request that need not be there. */
export const optional = ({ parameters }: TokenRequest, name: string): string | undefined =>
  (Object.hasOwn(parameters, name) && parameters[name]) || undefined;

/** The agent that a client is. @throws Refusal client_not_allowed for apps of people */
export const agentOf = ({ agent }: Client): NonNullable<Client["agent"]> => {
  if (!agent) throw new Refusal("client_not_allowed", "Only a client that is an agent may use this grant.");
  return agent;
};

/**
 * Whether what a user's token says of who may act for the user leaves it to this agent (RFC 8693 4.4). Agents are named by their ids, as we name
 * them; a name that cannot be read is nobody's.
 */
export const leavesTo = (claims: Readonly<Record<string, unknown>>, agentId: string, issuer: string): boolean => {
  if (!Object.hasOwn(claims, "may_act")) return true;
  const named = claims["may_act"];
  if (typeof named !== "object" || named === null) return false;
  const { sub, iss } = named as Record<string, unknown>;
  return sub === agentId && (iss === undefined || iss === issuer);
};
