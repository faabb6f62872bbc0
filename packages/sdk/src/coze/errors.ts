/** What is known of a failure beside its text. */
export interface ErrorFacts {
  readonly status?: number | undefined;
  readonly code?: string | number | undefined;
  readonly requestId?: string | undefined;
  readonly detail?: string | undefined;
  readonly cause?: Error | undefined;
}

/**
 * Everything this subpath throws on purpose. The texts are those of `coze-workload-identity` for Python, so that code which matches on them ports;
 * new code reads `status` and `code`. No error quotes a secret or a token, not even one that a server sent back, and of what a server said each text keeps
 * 2,000 characters.
 */
export class WorkloadIdentityError extends Error {
  override readonly name: string = "WorkloadIdentityError";
  /** The HTTP status of the answer; undefined where there was none. */
  readonly status: number | undefined;
  /** The server's own code (`invalid_client`, 4001), or why there was no answer: `ECONNREFUSED`, `timeout`, `too_large`, `redirect`. */
  readonly code: string | number | undefined;
  /** Finds the request in the server's logs and audit. */
  readonly requestId: string | undefined;
  /** What the server said of a refused token request; the text leaves it out, as the original does. */
  readonly detail: string | undefined;

  constructor(message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause && { cause: facts.cause });
    this.status = facts.status;
    this.code = facts.code;
    this.requestId = facts.requestId;
    this.detail = facts.detail;
  }
}

/** An option or environment variable is missing or wrong; nothing was sent. */
export class ConfigurationError extends WorkloadIdentityError {
  override readonly name: string = "ConfigurationError";
}

/** No token could be had, at the first step or, but for the one case of {@link TokenExchangeError}, at the second. */
export class TokenRetrievalError extends WorkloadIdentityError {
  override readonly name: string = "TokenRetrievalError";
}

/** The exchange succeeded, and its answer held no access token. */
export class TokenExchangeError extends WorkloadIdentityError {
  override readonly name: string = "TokenExchangeError";
}

/** A credential or the variables could not be had although there was a token. The original throws a bare `Exception` here. */
export class OutboundError extends WorkloadIdentityError {
  override readonly name: string = "OutboundError";
}

/** Variables came that no environment can hold, or that would steer the process; the text names them, and none was set. */
export class VariableError extends WorkloadIdentityError {
  override readonly name: string = "VariableError";
}

/** The skill environment endpoint answered with an error code; the text holds what it said. */
export class SkillEnvAPIError extends WorkloadIdentityError {
  override readonly name: string = "SkillEnvAPIError";
}
