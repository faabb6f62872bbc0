/** What a blocked request ran into: its scheme, its user information, its address, or a URL that does not parse. */
export type BlockedReason = "malformed" | "scheme" | "credentials" | "address";

/** The request was never sent: its URL, or what its name resolves to, may not be reached from here. */
export class EgressBlocked extends Error {
  readonly reason: BlockedReason;

  constructor(reason: BlockedReason, message: string) {
    super(message);
    this.name = "EgressBlocked";
    this.reason = reason;
  }
}

/**
 * What went wrong on the way: name resolution, the connection or its TLS, the time, the size, or a redirect that is not followed; or it was not sent
 * at all, because too many requests wait for the same origin, or for names of the same domain.
 */
export type FailedReason = "dns" | "network" | "timeout" | "too_large" | "redirect" | "crowded";

/** The request was allowed and came to nothing. Carries no cause: a parser's error holds what the other side sent. */
export class EgressFailed extends Error {
  readonly reason: FailedReason;

  constructor(reason: FailedReason, message: string) {
    super(message);
    this.name = "EgressFailed";
    this.reason = reason;
  }
}

const codeReasons: Readonly<Record<string, FailedReason>> = {
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  ENODATA: "dns",
  ETIMEDOUT: "timeout",
  UND_ERR_CONNECT_TIMEOUT: "timeout",
  UND_ERR_HEADERS_TIMEOUT: "timeout",
  UND_ERR_BODY_TIMEOUT: "timeout",
  UND_ERR_HEADERS_OVERFLOW: "too_large",
  HPE_HEADER_OVERFLOW: "too_large",
};

/** Turns what undici throws into one of ours; `where` is an origin, never a whole URL. */
export const failure = (thrown: unknown, where: string): EgressBlocked | EgressFailed => {
  let code: string | undefined;
  for (let at: unknown = thrown, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof EgressBlocked || at instanceof EgressFailed) return at;
    if ("code" in at && typeof at.code === "string") code = at.code;
  }
  return new EgressFailed((code && codeReasons[code]) || "network", `The request to ${where} failed${code ? ` (${code})` : ""}.`);
};
