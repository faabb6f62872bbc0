import type { Code } from "@legate/contract";

/** Everything this package throws on purpose. What a caller's own function, callback or signal throws passes through unchanged. */
export class LegateError extends Error {
  override readonly name: string = "LegateError";
}

/** What a refusal carries. */
export interface ApiErrorFacts {
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A code of the contract, one that a newer server added, or `unexpected_answer`: what answered did not speak Legate's wire. */
export type ApiErrorCode = Code | "unexpected_answer" | (string & {});

/** The server said no. */
export class LegateApiError extends LegateError implements ApiErrorFacts {
  override readonly name: string = "LegateApiError";
  readonly code: ApiErrorCode;
  /** The HTTP status. */
  readonly status: number;
  /** Finds the request in the server's logs and audit. */
  readonly requestId: string | undefined;
  /** Seconds after which it may be asked again, where the server said so. */
  readonly retryAfter: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, facts: ApiErrorFacts) {
    super(message);
    this.code = facts.code;
    this.status = facts.status;
    this.requestId = facts.requestId;
    this.retryAfter = facts.retryAfter;
    this.details = facts.details;
  }
}

/** The user, or the provider on the user's behalf, refused the consent. */
export class AuthorizationDeniedError extends LegateApiError {
  override readonly name: string = "AuthorizationDeniedError";
}

/** The consent was not finished in time; asking again begins a new one. */
export class AuthorizationExpiredError extends LegateApiError {
  override readonly name: string = "AuthorizationExpiredError";
}

/** The consent came back, and no token could be had for it. `details.reason` says why where the server knows. */
export class AuthorizationFailedError extends LegateApiError {
  override readonly name: string = "AuthorizationFailedError";
}

/** The user must consent first, and the call has no `onAuthUrl` to tell them. */
export class AuthorizationRequiredError extends LegateError {
  override readonly name: string = "AuthorizationRequiredError";
  /** Where the user's browser must go. */
  readonly url: string;
  /** Polls this consent. To complete it takes the `session_uri` that the browser carries to the return URL. */
  readonly sessionUri: string;

  constructor(provider: string, pending: { readonly url: string; readonly sessionUri: string }) {
    super(`The user must consent before ${provider} gives a token: send their browser to this error's \`url\`, or give \`onAuthUrl\`.`);
    this.url = pending.url;
    this.sessionUri = pending.sessionUri;
  }
}

/** The server could not be reached, or did not answer within the time limit. */
export class LegateConnectionError extends LegateError {
  override readonly name: string = "LegateConnectionError";
  /** A system error code such as `ECONNREFUSED`, or `timeout`. The underlying error is left out: it may quote what was sent. */
  readonly reason: string;

  constructor(message: string, reason: string) {
    super(message);
    this.reason = reason;
  }
}

/** There was no token when the time for polling was over. */
export class PollTimeoutError extends LegateError {
  override readonly name: string = "PollTimeoutError";
  readonly url: string;
  readonly sessionUri: string;
  /** How long was polled, in milliseconds. */
  readonly waitedMs: number;
  /** What the last poll failed with; undefined where it was answered. */
  readonly lastError: LegateApiError | LegateConnectionError | undefined;

  constructor(
    pending: { readonly url: string; readonly sessionUri: string },
    waitedMs: number,
    {
      lastError,
      answered = true,
    }: { readonly lastError?: LegateApiError | LegateConnectionError | undefined; readonly answered?: boolean } = {},
  ) {
    const time = `${Math.round(waitedMs / 1000)} s`;
    const why = lastError instanceof LegateApiError ? `${lastError.code} (HTTP ${lastError.status})` : lastError?.reason;
    const last = why === undefined ? "" : `, and the last answer about it was ${why}`;
    super(
      !answered && why !== undefined
        ? `There was no answer about the consent for ${time}: ${why}.`
        : `The consent was still pending after ${time}${last}.`,
    );
    this.url = pending.url;
    this.sessionUri = pending.sessionUri;
    this.waitedMs = waitedMs;
    this.lastError = lastError;
  }
}

/** An option or environment variable is missing or wrong. */
export class ConfigurationError extends LegateError {
  override readonly name: string = "ConfigurationError";
}

/** It is not clear, or not proven, for whom the agent acts: nothing was asked of the server. */
export class IdentityError extends LegateError {
  override readonly name: string = "IdentityError";
}

/** A value of {@link AgentContext} was set where no run is under way. */
export class ContextError extends LegateError {
  override readonly name: string = "ContextError";
}

const consentErrors: Partial<Record<string, new (message: string, facts: ApiErrorFacts) => LegateApiError>> = {
  authorization_denied: AuthorizationDeniedError,
  authorization_expired: AuthorizationExpiredError,
  authorization_failed: AuthorizationFailedError,
};

/** The error class that a refusal's code deserves. */
export const apiError = (message: string, facts: ApiErrorFacts): LegateApiError => {
  const Special = Object.hasOwn(consentErrors, facts.code) ? consentErrors[facts.code] : undefined;
  return new (Special ?? LegateApiError)(message, facts);
};
