import { type Egress, EgressBlocked, EgressFailed } from "../../ground/egress/index.ts";

/** What a cloud is asked with, for credentials of one of its roles. */
export interface CloudAsk {
  /** The web identity token by which the cloud knows the agent. */
  readonly token: string;
  readonly sessionName: string;
  readonly seconds: number;
  /** In the cloud's own words; narrows what the credentials may do. */
  readonly policy: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Credentials of a cloud. */
export interface CloudCredentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The cloud said no, in its own code. */
export class CloudRefused extends Error {
  readonly error: string;
  readonly description: string | undefined;

  constructor(error: string, description: string | undefined) {
    super(`The cloud refused: ${error}.`);
    this.name = "CloudRefused";
    this.error = error;
    this.description = description;
  }
}

/** The cloud did not answer, or answered nonsense. Carries no cause: that may hold what was sent. */
export class CloudUnavailable extends Error {
  readonly reason: "network" | "blocked" | "timeout" | "status" | "nonsense" | "overloaded";

  constructor(reason: CloudUnavailable["reason"]) {
    super(`The cloud cannot be used (${reason}).`);
    this.name = "CloudUnavailable";
    this.reason = reason;
  }
}

/** What one call may take: STS answers within a second, in a few kilobytes. */
const limits = { totalMs: 10_000, bodyBytes: 65_536 };

/** Sends a form to a cloud's STS. @throws CloudUnavailable; an abort throws the signal's reason */
export const post = async (
  egress: Pick<Egress, "fetch">,
  url: string,
  fields: readonly (readonly [name: string, value: string])[],
  signal: AbortSignal | undefined,
): Promise<{ readonly status: number; readonly text: string }> => {
  try {
    const response = await egress.fetch(
      url,
      {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value])).toString(),
        ...(signal && { signal }),
      },
      limits,
    );
    return { status: response.status, text: await response.text() };
  } catch (thrown) {
    if (signal?.aborted) throw signal.reason;
    if (thrown instanceof EgressBlocked) throw new CloudUnavailable("blocked");
    if (thrown instanceof EgressFailed) throw new CloudUnavailable(thrown.reason === "timeout" ? "timeout" : "network");
    throw thrown;
  }
};

/** What a cloud's refusal says. Its words are repeated only where they are plain and hold no part of the token that was shown to it. */
export const refusal = (
  status: number,
  code: string | undefined,
  message: string | undefined,
  { token }: CloudAsk,
  overloaded: RegExp,
): CloudRefused | CloudUnavailable => {
  if (status === 429 || (code !== undefined && overloaded.test(code))) return new CloudUnavailable("overloaded");
  if (status >= 500 || status < 400 || code === undefined) return new CloudUnavailable("status");
  const parts = [token, ...token.split(".")];
  const isPlain = (text: string, most: number) =>
    text.length <= most && /^[\x20-\x7E]+$/.test(text) && !parts.some((part) => part !== "" && text.includes(part));
  if (!isPlain(code, 100)) return new CloudUnavailable("nonsense");
  return new CloudRefused(code, message !== undefined && isPlain(message, 500) ? message : undefined);
};

const secretForm = /^[\x21-\x7E]{1,16384}$/;
const momentForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

/** Credentials as a cloud wrote them, each part there and in its form. @throws CloudUnavailable nonsense */
export const credentialsFrom = (
  given: { readonly id: unknown; readonly secret: unknown; readonly token: unknown; readonly expiration: unknown },
  now: number,
): CloudCredentials => {
  const text = (value: unknown, form: RegExp): string => {
    if (typeof value !== "string" || !form.test(value)) throw new CloudUnavailable("nonsense");
    return value;
  };
  const expiresAt = Date.parse(text(given.expiration, momentForm));
  if (!(expiresAt > now)) throw new CloudUnavailable("nonsense");
  return {
    accessKeyId: text(given.id, /^[\x21-\x7E]{1,256}$/),
    accessKeySecret: text(given.secret, secretForm),
    securityToken: text(given.token, secretForm),
    expiresAt,
  };
};
