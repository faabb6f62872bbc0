import { type Random, Refusal } from "../../ground/kernel/index.ts";
import type { UserKey } from "./credential-key.ts";

/** Who sees to it that the person who consents is the user: the application, Legate by a login, or nobody. */
export type Binding = "application" | "login" | "none";

export type SessionState = "pending" | "authorized" | "exchanging" | "completed" | "denied" | "failed" | "expired";

/** One consent under way, or how it ended. */
export interface Session {
  readonly id: string;
  /** What a token that comes of it is stored under. */
  readonly key: UserKey;
  /** The epochs at its beginning: it dies with either. */
  readonly agentEpoch: number;
  readonly userEpoch: number;
  readonly requestedScopes: readonly string[];
  readonly binding: Binding;
  readonly returnUrl: string | undefined;
  readonly sealedCustomState: string | undefined;
  readonly customParameters: Readonly<Record<string, string>>;
  /** Whether the provider is told to ask the person again. */
  readonly forced: boolean;
  readonly state: SessionState;
  readonly reason: string | undefined;
  readonly sealedCode: string | undefined;
  readonly exchangingSince: number | undefined;
  readonly connectionId: string | undefined;
  readonly connectionVersion: number | undefined;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** How a session ended without a token. */
export interface Ending {
  readonly state: "denied" | "failed" | "expired";
  readonly reason: string;
}

/** From the beginning to the last moment at which it can be completed. */
export const sessionLife = 10 * 60_000;
/** A session found in exchange for this long has lost the process that did it. */
export const exchangeLife = 45_000;
/** The provider's token endpoint must answer within this. */
export const exchangeTimeout = 20_000;

export const newSessionId = (random: Random): string => random(24).toString("hex");
export const isSessionId = (text: string): boolean => /^[0-9a-f]{48}$/.test(text);

const uriPrefix = "urn:ietf:params:oauth:request_uri:";

/**
 * The session's URI; with a proof, the one that the browser carries to the application. Whoever asked for the consent knows the plain one, and so
 * does everyone it was forwarded to: only the browser in which the person consented knows the proof.
 */
export const sessionUriOf = (id: string, proof = ""): string => `${uriPrefix}${id}${proof}`;

/** As long as an id, so that neither of the two URIs tells which it is. */
export const newProof = (random: Random): string => newSessionId(random);

/** The id in a session URI, and the proof where it carries one; undefined for what is none. */
export const readSessionUri = (uri: string): { readonly id: string; readonly proof: string } | undefined => {
  const text = uri.startsWith(uriPrefix) ? uri.slice(uriPrefix.length) : "";
  const [id, proof] = [text.slice(0, 48), text.slice(48)];
  return isSessionId(id) && (proof === "" || isSessionId(proof)) ? { id, proof } : undefined;
};

/** Where the code and its verifier are sealed to. */
export const codeIdentity = (id: string): string => `authorization_sessions/${id}/code`;

/** Where the application's own state is sealed to. */
export const customStateIdentity = (id: string): string => `authorization_sessions/${id}/custom_state`;

/** How time alone has ended a session whose row does not say so yet. An exchange that began in a future has outlived a clock that was set back. */
export const lapseOf = ({ state, expiresAt, exchangingSince }: Session, now: number): Ending | undefined => {
  if (state === "exchanging") {
    return Math.abs(now - (exchangingSince ?? 0)) >= exchangeLife ? { state: "failed", reason: "interrupted" } : undefined;
  }
  return (state === "pending" || state === "authorized") && now >= expiresAt ? { state: "expired", reason: "deadline" } : undefined;
};

export const sessionUnknown = (): Refusal => new Refusal("session_unknown", "There is no such authorization session.");

/** What whoever comes too late is told. */
export const endedRefusal = ({ state, reason }: Pick<Session, "state" | "reason">): Refusal => {
  const details = reason === undefined ? {} : { reason };
  switch (state) {
    case "denied":
      return new Refusal("authorization_denied", "The consent was refused.", details);
    case "expired":
      return new Refusal("authorization_expired", "The consent was not finished in time. Begin a new one.", details);
    case "failed":
      return new Refusal("authorization_failed", "The consent came to nothing. Begin a new one.", details);
    default:
      return new Refusal("session_used", "This authorization session has been used up.");
  }
};
