/** What the token is meant for: `resource` (RFC 8707), `audience` as some servers have it. */
export interface Target {
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
}

export interface AuthorizationAsk extends Target {
  readonly state: string;
  /** S256 of the verifier that `exchange` will show. */
  readonly codeChallenge: string;
  /** Sent as asked, in this order. */
  readonly scopes: readonly string[];
  /** Never one that Legate sets itself: the contract refuses those. */
  readonly customParameters: Readonly<Record<string, string>>;
  /** Whether the person must be asked again though a session stands. */
  readonly force: boolean;
}

export interface ExchangeAsk extends Target {
  /** What `readCallback` gave. */
  readonly kept: string;
  readonly codeVerifier: string;
  readonly state: string;
  readonly signal?: AbortSignal | undefined;
}

export interface RefreshAsk extends Target {
  readonly refreshToken: string;
  /** What was granted (RFC 6749 6: a refresh may not ask for more). */
  readonly scopes: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** What the provider is asked to take back. */
export interface RevocationAsk {
  readonly token: string;
  readonly hint: "access_token" | "refresh_token";
  readonly signal?: AbortSignal | undefined;
}

export interface ClientCredentialsAsk extends Target {
  readonly scopes: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** What came back from a consent. `kept` holds the code: keep it sealed. */
export type Callback =
  | { readonly ok: true; readonly kept: string }
  | { readonly ok: false; readonly error: string; readonly description?: string };
