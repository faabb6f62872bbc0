/** What goes into an access token (RFC 9068 2.2). */
export interface AccessGrant {
  readonly audience: string;
  /** The client that gets it. */
  readonly clientId: string;
  /** Sorted, no repeats. */
  readonly scopes: readonly string[];
  /** Whom it is about; an agent alone where it is left out. */
  readonly user?: { readonly id: string; readonly epoch: number } | undefined;
  /** Agents that act, the one that acts now first (RFC 8693 4.1); without a user the last one is the subject and stands not in `act`. */
  readonly actors: readonly { readonly id: string; readonly epoch: number }[];
  readonly tenantEpoch: number;
  /** RFC 9449 6.1: only whoever has this key may use it. */
  readonly thumbprint?: string | undefined;
  /** RFC 8693 4.4: the only agent or client that may act for the subject with it. */
  readonly mayAct?: string | undefined;
  /** The grant it stands and falls with. */
  readonly grantId?: string | undefined;
  /** Ends no later than this, however long its kind lives; milliseconds since 1970. */
  readonly notAfter?: number | undefined;
  /** When the person logged in; milliseconds since 1970. */
  readonly authTime?: number | undefined;
}

/** What an access token of ours says, verified. */
export interface AccessClaims extends Omit<AccessGrant, "notAfter"> {
  readonly tenant: string;
  readonly jti: string;
  /** User id, or agent id. */
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}
