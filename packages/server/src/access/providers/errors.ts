/** The provider said no, in OAuth's words or by an authorization response that must not be acted on. */
export class UpstreamRefused extends Error {
  /** OAuth's error code (RFC 6749 4.1.2.1 and 5.2), or `invalid_authorization_response`. */
  readonly error: string;
  readonly description: string | undefined;

  constructor(error: string, description?: string) {
    super(`The credential provider refused: ${error}.`);
    this.name = "UpstreamRefused";
    this.error = error;
    this.description = description;
  }
}

/** Why there is no answer to act on: the way there, the time, a status, nonsense in the answer, or metadata that cannot be used. */
export type UnavailableReason = "network" | "blocked" | "timeout" | "status" | "nonsense" | "metadata" | "overloaded";

/** The provider did not answer, or answered nonsense. Nothing is known of what it did. Carries no cause: that may hold what was sent. */
export class UpstreamUnavailable extends Error {
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason, message = `The credential provider cannot be used (${reason}).`) {
    super(message);
    this.name = "UpstreamUnavailable";
    this.reason = reason;
  }
}
