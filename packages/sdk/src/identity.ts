import type { AgentContextValues } from "./context.ts";
import { IdentityError } from "./errors.ts";
import { bearerToken } from "./settings.ts";

/** Whose workload token a credential is asked with. */
export type Identity =
  | { readonly kind: "token"; readonly workloadToken: string }
  | { readonly kind: "user-token"; readonly userToken: string }
  | { readonly kind: "user-id"; readonly userId: string }
  | { readonly kind: "agent" };

/** A JWT's payload, unverified: only the server can verify it, and this is used only to refuse earlier. */
const payloadOf = (jwt: string): Readonly<Record<string, unknown>> | undefined => {
  const parts = jwt.split(".");
  if (parts.length !== 3 || parts.some((part) => !/^[A-Za-z0-9_-]+$/.test(part))) return undefined;
  try {
    const bytes = Uint8Array.from(atob((parts[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    const payload: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof payload === "object" && payload !== null ? (payload as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};

/** For how many more milliseconds a token says that it holds; undefined where it does not say. */
export const lifeOf = (token: string, now: number): number | undefined => {
  const expiry = payloadOf(token)?.exp;
  return typeof expiry === "number" && Number.isFinite(expiry) ? expiry * 1000 - now : undefined;
};

/** Whether a text has the form of a JWT. */
export const isJwt = (text: string): boolean => payloadOf(text) !== undefined;

/**
 * A value that names somebody. Only one that is left out names nobody: null, which a missing row or session gives, is a mistake, as are an empty text and
 * whatever is no text.
 *
 * @throws IdentityError
 */
export const givenName = (name: string, value: unknown): string | undefined => {
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "") return value;
  throw new IdentityError(`${name} is ${value === "" ? "empty" : "not a string"}. No other identity is used in its place.`);
};

/** The user that the context names. A value that is there but useless is refused: never is the next one taken instead. */
const contextUser = (values: AgentContextValues): Exclude<Identity, { kind: "token" }> => {
  const userToken = givenName("The context's `userToken`", values.userToken);
  if (userToken !== undefined) {
    if (!payloadOf(userToken)) throw new IdentityError("The context's `userToken` is not a JWT. No other identity is used in its place.");
    return { kind: "user-token", userToken };
  }
  const userId = givenName("The context's `userId`", values.userId);
  return userId === undefined ? { kind: "agent" } : { kind: "user-id", userId };
};

const names = (environmentToken: string, user: Exclude<Identity, { kind: "token" | "agent" }>): boolean => {
  const claims = payloadOf(environmentToken);
  if (typeof claims?.user_sub !== "string" || typeof claims.user_iss !== "string") return false;
  if (user.kind === "user-id") return claims.user_sub === user.userId;
  const theirs = payloadOf(user.userToken);
  return claims.user_iss === theirs?.iss && claims.user_sub === theirs.sub;
};

/**
 * Who acts: the context's workload token, then its user token, then its user id, then the environment's workload token, then the agent alone.
 *
 * @param mayAsk whether there is a key to ask for a workload token with.
 * @throws IdentityError when a value is useless, or the environment's token does not name the context's user.
 */
export const identityOf = (values: AgentContextValues, environmentToken: string | undefined, mayAsk: boolean): Identity => {
  const workloadToken = givenName("The context's `workloadToken`", values.workloadToken);
  if (workloadToken !== undefined) return { kind: "token", workloadToken: bearerToken("workloadToken", workloadToken) };
  const user = contextUser(values);
  if (environmentToken === undefined) return user;
  if (user.kind === "agent") return { kind: "token", workloadToken: environmentToken };
  if (!names(environmentToken, user)) {
    throw new IdentityError(
      "The environment's workload token does not name the context's user. Remove the token from the environment, or run without a user in the context.",
    );
  }
  // Without a key of its own the process can act for this user only through the environment's token, which names the same one.
  return mayAsk ? user : { kind: "token", workloadToken: environmentToken };
};
