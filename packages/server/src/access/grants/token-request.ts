import type { Principal } from "../../ground/kernel/index.ts";
import type { Named } from "../../identity/tokens/index.ts";
import type { Client } from "../clients/index.ts";

/** A request at the token endpoint, parsed once: what a grant sees of the form. A name that was repeated where it may not be is refused before. */
export interface TokenRequest {
  readonly grantType: string;
  /** Parameters of the grant that stand once: `code`, `code_verifier`, `redirect_uri`, `refresh_token`, `assertion`, `subject_token` and the like. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The scope tokens asked for, sorted, no repeats; undefined where none were. */
  readonly scopes: readonly string[] | undefined;
  /** `resource` and `audience` together, in the order given, no repeats (RFC 8707 2, RFC 8693 2.1). */
  readonly targets: readonly string[];
  /** The thumbprint of the key that a valid DPoP proof named (RFC 9449 5); undefined where none was sent. */
  readonly dpopThumbprint: string | undefined;
}

/** Who asks at the token endpoint: a client, and the principal that stands in the record. */
export interface Asker {
  readonly client: Client;
  /** Has `agent` where the client is one. */
  readonly who: Principal;
}

/** A successful answer (RFC 6749 5.1, RFC 8693 2.2.1). */
export interface TokenAnswer {
  readonly accessToken: string;
  readonly tokenType: "Bearer" | "DPoP";
  /** Seconds. */
  readonly expiresIn: number;
  readonly scopes: readonly string[];
  readonly refreshToken?: string | undefined;
  readonly idToken?: string | undefined;
  /** RFC 8693 only. */
  readonly issuedTokenType?: string | undefined;
}

/** What a grant found that a token may say; the host checks audience and scopes against it, mints and records. */
export interface Granted {
  /** Whom the token is about: a user, or the agent itself where it is left out. */
  readonly user?: Named | undefined;
  /** The chain of agents that act, the one that acts now first; without a user the last one is the subject. Empty where a person acts through an app. */
  readonly actors: readonly Named[];
  /** The most that may come out: what the subject's token had, or what the person consented to; undefined where nothing came in. */
  readonly ceiling: readonly string[] | undefined;
  /** The only audiences that may come out; undefined where only the client's own rights decide. */
  readonly audiences: readonly string[] | undefined;
  /** Whether a person consented to this very client, so that the scopes of OpenID Connect may be among them. */
  readonly isConsented?: boolean | undefined;
  /** The token ends no later than this; milliseconds since 1970. */
  readonly notAfter: number | undefined;
  /** The grant it stands and falls with. */
  readonly grantId: string | undefined;
  /** The epoch of the tenant in which it was given; undefined where it is given now. */
  readonly tenantEpoch?: number | undefined;
  /** When the person logged in; milliseconds since 1970. */
  readonly authTime?: number | undefined;
}
