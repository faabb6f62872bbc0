import type { Egress } from "../../ground/egress/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { methodOf } from "./client-auth.ts";
import { fixedEndpoints, kindOf, secretBindingOf, sendsPkce } from "./kinds.ts";
import { type NewProvider, type Provider, type ProviderChange, scopesKey } from "./provider.ts";

const invalid = (path: string, message: string, reason?: string) =>
  new Refusal("invalid_request", `${path}: ${message}`, { issues: [{ path, message }], ...(reason !== undefined && { reason }) });

/** A provider as asked for; its agents are still entries as given, its secret is not sealed yet. */
export const drafted = (wanted: NewProvider, id: string, vault: string, now: number): Provider => {
  const oauth2 = wanted.type === "oauth2" ? wanted : undefined;
  const scopes = oauth2?.scopes ?? [];
  return {
    id,
    vault,
    name: wanted.name,
    type: wanted.type,
    kind: oauth2?.kind,
    status: "active",
    agents: wanted.agents ?? ["*"],
    discoveryUrl: oauth2?.discoveryUrl,
    authorizationEndpoint: oauth2?.authorizationEndpoint,
    tokenEndpoint: oauth2?.tokenEndpoint,
    issuer: oauth2?.issuer,
    clientId: oauth2?.clientId,
    clientAuth: oauth2?.clientAuth,
    sealedSecret: undefined,
    scopes,
    scopesKey: scopesKey(scopes),
    flows: oauth2?.flows,
    description: wanted.description || undefined,
    redirectUri: oauth2?.redirectUri,
    pkce: oauth2?.pkce,
    roleArn: wanted.type === "sts" ? wanted.roleArn : undefined,
    foreign: wanted.foreign ?? {},
    warnings: [],
    version: 1,
    createdAt: now,
    updatedAt: now,
  };
};

/** The secret that a request brings along, whichever the type calls it. */
export const secretIn = (given: NewProvider | ProviderChange): string | undefined => {
  if ("apiKey" in given && given.apiKey !== undefined) return given.apiKey;
  return "clientSecret" in given ? (given.clientSecret ?? undefined) : undefined;
};

/** What a provider of any type has. */
const common = new Set(["agents", "description", "foreign"]);

/** Which type a field belongs to; all others belong to `oauth2`. */
const typeOfField: Readonly<Record<string, Provider["type"]>> = { apiKey: "api_key", roleArn: "sts" };

/** @throws Refusal provider_wrong_type for a field of another type */
export const requireFieldsOf = (type: Provider["type"], change: ProviderChange): void => {
  for (const [field, value] of Object.entries(change)) {
    if (value === undefined || common.has(field)) continue;
    if ((typeOfField[field] ?? "oauth2") !== type)
      throw new Refusal("provider_wrong_type", `A provider of type ${type} has no ${field}.`, { field, type });
  }
};

/**
 * A provider with a change made: what is left out stays, `null` empties. A client secret goes with the server and the client it was given for: where
 * those change, it is not kept.
 */
export const changed = (current: Provider, change: ProviderChange): Provider => {
  const orNone = <T>(given: T | null | undefined, kept: T | undefined) => (given === undefined ? kept : (given ?? undefined));
  const scopes = change.scopes ?? current.scopes;
  const next: Provider = {
    ...current,
    agents: change.agents ?? current.agents,
    kind: change.kind ?? current.kind,
    description: orNone(change.description, current.description) || undefined,
    discoveryUrl: orNone(change.discoveryUrl, current.discoveryUrl),
    authorizationEndpoint: orNone(change.authorizationEndpoint, current.authorizationEndpoint),
    tokenEndpoint: orNone(change.tokenEndpoint, current.tokenEndpoint),
    issuer: orNone(change.issuer, current.issuer),
    clientId: change.clientId ?? current.clientId,
    clientAuth: orNone(change.clientAuth, current.clientAuth),
    scopes,
    scopesKey: scopesKey(scopes),
    flows: orNone(change.flows, current.flows),
    redirectUri: orNone(change.redirectUri, current.redirectUri),
    pkce: orNone(change.pkce, current.pkce),
    roleArn: orNone(change.roleArn, current.roleArn),
    foreign: { ...current.foreign, ...change.foreign },
  };
  const stays = change.clientSecret !== null && secretBindingOf(next) === secretBindingOf(current);
  return { ...next, sealedSecret: stays ? current.sealedSecret : undefined };
};

/** What decides where people, codes and secrets go, and is no secret itself: the record holds its values, not its names alone. */
const told = [
  "kind",
  "discoveryUrl",
  "authorizationEndpoint",
  "tokenEndpoint",
  "issuer",
  "clientId",
  "clientAuth",
  "redirectUri",
  "pkce",
  "roleArn",
] as const;

/** What of it is another now, with its new value; `null` is none. */
export const newValues = (before: Provider, after: Provider): Readonly<Record<string, string | boolean | null>> =>
  Object.fromEntries(told.flatMap((field) => (after[field] === before[field] ? [] : [[field, after[field] ?? null]])));

/**
 * Whether a provider can work at all, as far as its fields tell.
 *
 * @param hasSecret Whether a secret is kept or comes with the request
 * @throws Refusal invalid_request that names what is missing, or what may not be reached
 */
export const requireWhole = (provider: Provider, hasSecret: boolean, egress: Pick<Egress, "checkUrl">): void => {
  if (provider.type !== "oauth2") return;
  for (const path of ["discoveryUrl", "authorizationEndpoint", "tokenEndpoint"] as const) {
    const url = provider[path];
    if (url === undefined) continue;
    try {
      egress.checkUrl(url);
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      throw invalid(path, problem.message, String(problem.details["reason"]));
    }
  }
  const kind = kindOf(provider);
  const { discoveryUrl } = provider;
  if (discoveryUrl === undefined) {
    if (kind.needsDiscovery) throw invalid("discoveryUrl", `kind ${provider.kind} needs it to find its endpoints`);
    const { authorization, token } = fixedEndpoints(provider);
    if (token === undefined) throw invalid("tokenEndpoint", "give it, or a discoveryUrl, or a kind that brings its endpoints");
    if (authorization === undefined && (provider.flows === undefined || provider.flows.includes("USER_FEDERATION")))
      throw invalid("authorizationEndpoint", "USER_FEDERATION needs it; give it or a discoveryUrl, or leave that flow out of flows");
  } else if (new URL(discoveryUrl).search !== "" && !discoveryUrl.includes("/.well-known/"))
    throw invalid("discoveryUrl", "an issuer URL has no query");
  const method = methodOf(provider.clientAuth, kind.clientAuth, undefined);
  // RFC 9700 2.1.1: without a secret, only PKCE keeps whoever catches a code from using it.
  if (method === "none" && !sendsPkce(provider))
    throw provider.pkce === undefined
      ? invalid("clientSecret", `kind ${provider.kind} knows no PKCE, and needs it`)
      : invalid("pkce", "a client without a secret needs it");
  if (!hasSecret && method !== "none" && method !== "private_key_jwt")
    throw invalid(
      "clientSecret",
      `${method} needs it: send it (a change of client or endpoints has dropped the former one), or set clientAuth to none or private_key_jwt`,
    );
};
