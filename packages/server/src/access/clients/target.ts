import { Refusal } from "../../ground/kernel/index.ts";
import { mayUse } from "../../identity/agents/index.ts";
import type { Client } from "./client.ts";
import { isPersonal, isUntold, type Resource } from "./resource.ts";

/** What bounds what a client may have in one request, beyond its own rights. */
export interface Bounds {
  /** The most that may come out: what came in, or what a person consented to. */
  readonly ceiling?: readonly string[] | undefined;
  /** The only audiences that may come out. */
  readonly audiences?: readonly string[] | undefined;
  /** Whether a person is concerned, who may be asked for the scopes of OpenID Connect; unless said, where the client is no agent. */
  readonly person?: boolean | undefined;
}

/** What a token is to be for. */
export interface Target {
  readonly audience: string;
  /** Sorted, no repeats. */
  readonly scopes: readonly string[];
}

/** Why no resource was found that fits. */
export type TargetFault = "several" | "unknown" | "none" | "ambiguous" | "apart" | "outside";

const sentences: Readonly<Record<TargetFault, string>> = {
  several: "A token is for one resource: ask for each by itself.",
  unknown: "There is no such resource, or this client may not have tokens for it.",
  none: "This client may not have tokens for any resource.",
  ambiguous: "Several resources fit. Name one as `resource`.",
  apart: "No one resource has all these scopes. Ask for each resource by itself.",
  outside: "What was presented is for another resource.",
};

export const noTarget = (reason: TargetFault): Refusal => new Refusal("target_invalid", sentences[reason], { reason });

const noScope = (scope: string): Refusal =>
  new Refusal("scope_invalid", "A scope that was asked for is unknown here, or this client may not have it.", { scope });

/**
 * The scopes asked for that mean something here. Clients ask for `profile` and `email` by habit, so those are passed over (OpenID Connect Core 3.1.2.1)
 * and the answer says what was granted; who asks for nothing else would get what was not asked for.
 * @throws Refusal scope_invalid
 */
export const heeded = (asked: readonly string[]): readonly string[] => {
  const left = asked.filter((scope) => !isUntold(scope));
  const [untold] = asked;
  if (untold !== undefined && left.length === 0) throw noScope(untold);
  return left;
};

/** The scopes that an agent may have at a resource; undefined where it may not have tokens for it. */
export const scopesOfAgent = (resource: Resource, agent: Parameters<typeof mayUse>[1]): readonly string[] | undefined =>
  mayUse(resource.agents, agent)
    ? resource.scopes.flatMap(({ name, agents }) => (agents === undefined || mayUse(agents, agent) ? name : []))
    : undefined;

/** The scopes that a client may have at a resource; undefined where it may not have tokens for it. */
export const scopesOf = (resource: Resource, client: Client): readonly string[] | undefined => {
  if (client.kind === "agent") return client.agent && scopesOfAgent(resource, client.agent);
  const isNamed = resource.clients.some(
    (entry) => entry === "*" || entry === client.id || (entry === "registered" && client.kind === "app"),
  );
  if (!isNamed) return undefined;
  // What is kept for some agents is for no app.
  const open = resource.scopes.flatMap(({ name, agents }) => (agents === undefined ? name : []));
  return client.scopes === undefined ? open : open.filter((scope) => client.scopes?.includes(scope));
};

const sorted = (scopes: Iterable<string>): readonly string[] => [...new Set(scopes)].sort();

/**
 * The scopes of a token for a resource: those asked for, each of which has to be allowed; all that are allowed, where none was asked for.
 * @param allowed What the client may have there.
 * @throws Refusal scope_invalid
 */
export const scopesWithin = (
  client: Client,
  allowed: readonly string[],
  asked: readonly string[] | undefined,
  { ceiling, person = client.kind !== "agent" }: Bounds,
): readonly string[] => {
  const mayHave = (scope: string): boolean =>
    (ceiling === undefined || ceiling.includes(scope)) &&
    (isPersonal(scope) ? person && (client.scopes === undefined || client.scopes.includes(scope)) : allowed.includes(scope));
  const refused = asked?.find((scope) => !mayHave(scope));
  if (refused !== undefined) throw noScope(refused);
  // Nobody is asked for the person's own data who does not say so.
  return sorted(asked ?? (ceiling ?? allowed).filter(mayHave));
};

/**
 * The one resource that fits a request which names none: with scopes, the only one that has them all; without, the only one there is for this client.
 * @throws Refusal target_invalid; scope_invalid for a scope that no resource has
 */
export const impliedBy = (
  client: Client,
  resources: readonly Resource[],
  wanted: readonly string[],
): { readonly resource: Resource; readonly allowed: readonly string[] } => {
  const usable = resources.flatMap((resource) => {
    const allowed = scopesOf(resource, client);
    return allowed ? { resource, allowed } : [];
  });
  const atResources = wanted.filter((scope) => !isPersonal(scope));
  const fitting = usable.filter(({ allowed }) => atResources.every((scope) => allowed.includes(scope)));
  const [only, ...others] = fitting;
  if (only && others.length === 0) return only;
  if (only) throw noTarget("ambiguous");
  const nowhere = atResources.find((scope) => !usable.some(({ allowed }) => allowed.includes(scope)));
  if (nowhere !== undefined) throw noScope(nowhere);
  throw noTarget(usable.length > 0 ? "apart" : "none");
};
