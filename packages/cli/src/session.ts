import { LegateClient } from "@legate/sdk";
import { isProfileName, type Profile, readProfiles } from "./config-file.ts";
import { CommandFailure, misused } from "./failure.ts";
import type { World } from "./world.ts";

/** The options that every command takes. */
export interface Globals {
  readonly endpoint?: string;
  readonly profile?: string;
  readonly json: boolean;
  readonly color: boolean;
  /** Milliseconds that one call may take. */
  readonly timeoutMs: number;
}

/** Where the server is, and what is shown to it. */
export interface Session {
  readonly endpoint: string;
  readonly operatorKey?: string;
  readonly agentKey?: string;
  /** Where the key comes from, in words. */
  readonly source: string;
}

/** An agent's API key; every other key is an operator's. */
export const isAgentKey = (key: string): boolean => /^sk_[0-9a-f]{64}$/.test(key);

/** As the SDK writes it, to compare addresses. */
const normal = (endpoint: string): string => (URL.canParse(endpoint) ? new URL(endpoint).href.replace(/\/+$/, "") : endpoint);

/** The address of a server. @throws CommandFailure */
export const endpointFrom = (given: string): string => {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol) || url.username || url.password || url.search || url.hash)
    throw misused(
      "The endpoint must be an http or https URL without user information, query or fragment, such as https://legate.example.com",
    );
  return normal(given);
};

const keysOf = (key: string): Pick<Session, "operatorKey" | "agentKey"> => (isAgentKey(key) ? { agentKey: key } : { operatorKey: key });

const stored = (world: World, name: string | undefined, warn: (text: string) => void): { name: string; profile: Profile } | undefined => {
  const { current, profiles } = readProfiles(world.env.configFile, world.platform, warn);
  const wanted = name ?? current;
  if (!isProfileName(wanted)) throw misused(`${JSON.stringify(wanted)} is no name of a profile: 1 to 64 of A-Z a-z 0-9 _ . -`);
  const profile = Object.hasOwn(profiles, wanted) ? profiles[wanted] : undefined;
  return profile && { name: wanted, profile };
};

/**
 * Which server is asked, and with which key. A profile that is named wins; else the environment, else the current profile. A profile's key goes to
 * the profile's own server and to no other.
 * @throws CommandFailure
 */
export const openSession = (world: World, globals: Globals, warn: (text: string) => void): Session => {
  const { env } = world;
  const named = globals.profile ?? env.profile;
  const hasEnvironmentKey = globals.profile === undefined && (env.operatorKey !== undefined || env.agentKey !== undefined);
  const address = globals.endpoint ?? (globals.profile === undefined ? env.url : undefined);
  // Where the environment says everything, what is stored does not matter, be it broken.
  const isComplete = hasEnvironmentKey && address !== undefined;
  const found = isComplete ? undefined : stored(world, named, warn);
  if (named !== undefined && !found && !isComplete)
    throw new CommandFailure("unauthenticated", `There is no profile ${named}. Run: legate login --profile ${named}`);
  const given = address ?? found?.profile.endpoint;
  if (given === undefined)
    throw new CommandFailure("unauthenticated", "Where is the server? Run `legate login`, or set LEGATE_URL and LEGATE_OPERATOR_KEY.");
  const endpoint = endpointFrom(given);
  if (hasEnvironmentKey) {
    return {
      endpoint,
      ...(env.operatorKey !== undefined && { operatorKey: env.operatorKey }),
      ...(env.agentKey !== undefined && { agentKey: env.agentKey }),
      source: env.operatorKey === undefined ? "LEGATE_AGENT_KEY" : "LEGATE_OPERATOR_KEY",
    };
  }
  if (found && normal(found.profile.endpoint) === endpoint)
    return { endpoint, ...keysOf(found.profile.key), source: `profile ${found.name}` };
  return { endpoint, source: "none" };
};

/** A client of the session's server. @throws CommandFailure where the session has no key */
export const clientOf = (world: World, globals: Globals, session: Session): LegateClient => {
  if (session.operatorKey === undefined && session.agentKey === undefined)
    throw new CommandFailure(
      "unauthenticated",
      `There is no key for ${session.endpoint}. Run: legate login --endpoint ${session.endpoint}`,
    );
  return new LegateClient({
    url: session.endpoint,
    operatorKey: session.operatorKey,
    agentKey: session.agentKey,
    timeoutMs: globals.timeoutMs,
    fetch: world.fetch,
    clock: world.clock,
    sleep: world.sleep,
  });
};
