import type { AgentContextValues } from "./context.ts";
import type { Identity } from "./identity.ts";
import type { Flow, StsCredential } from "./wire.ts";

/** Who asks: with which credential, and as which agent. Both stand in every cache key. */
export interface Asker {
  readonly credential: string | undefined;
  readonly agent: string | undefined;
}

/** How far a request may go. */
export interface Limits {
  readonly signal: AbortSignal;
  /** Milliseconds, repeats included. */
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
}

/** A workload token in hand. */
export interface Bearer {
  readonly token: string;
  /** Names whose token it is, as a hash. */
  readonly key: string;
  readonly asker: Asker;
}

/** What an access token is asked with. */
export interface TokenQuestion {
  readonly provider: string;
  readonly vault?: string;
  readonly flow?: Flow;
  readonly scopes?: string[];
  readonly resource?: string;
  readonly audience?: string;
  readonly returnUrl?: string;
  readonly customState?: string;
  readonly customParameters?: Record<string, string>;
  readonly forceAuthentication?: boolean;
  readonly sessionUri?: string;
}

/** A secret, and for how many milliseconds it may be kept: 0 where nobody knows. */
export interface Lease {
  readonly secret: string;
  readonly lifeMs: number;
}

/** The user must consent first. */
export interface Pending {
  readonly url: string;
  readonly sessionUri: string;
}

/** What temporary cloud credentials are asked with. */
export interface StsQuestion {
  readonly provider?: string | undefined;
  readonly vault?: string | undefined;
  readonly durationSeconds?: number | undefined;
  readonly policy?: string | undefined;
  readonly sessionName?: string | undefined;
}

/** A server as the broker sees it: one way of asking for each kind of credential, whatever the wire. */
export interface Service {
  /** Where it is: part of every cache key. */
  readonly place: string;
  /** @throws IdentityError */
  readonly identity: (values: AgentContextValues) => Identity;
  /** @throws ConfigurationError where there is nothing to ask with */
  readonly asker: (who: Identity, agent: string | undefined, signal: AbortSignal | undefined) => Promise<Asker>;
  readonly workloadToken: (who: Exclude<Identity, { kind: "token" }>, asker: Asker, limits: Limits) => Promise<Lease>;
  readonly accessToken: (question: TokenQuestion, bearer: Bearer, limits: Limits) => Promise<Lease | Pending>;
  readonly apiKey: (question: { readonly provider: string; readonly vault?: string }, bearer: Bearer, limits: Limits) => Promise<string>;
  readonly stsCredential: (question: StsQuestion, bearer: Bearer, limits: Limits) => Promise<StsCredential>;
  /** Whether the workload token as such was refused, so that another may be taken. */
  readonly isRefused: (error: unknown) => boolean;
  /** Whether the same request may succeed a little later. */
  readonly isPassing: (error: unknown) => boolean;
}
