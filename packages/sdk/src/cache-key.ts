import type { Identity } from "./identity.ts";

/** Everything that tells one credential from another. Each part is always present, so that none can be forgotten. */
export interface CredentialIdentity {
  readonly kind: "workload-token" | "access-token" | "api-key" | "sts";
  readonly url: string;
  /** The key that asks. */
  readonly credential: string | undefined;
  readonly agent: string | undefined;
  /** In which way the workload token is come by, so that a user who is named by nothing is not the agent alone. */
  readonly who: Identity["kind"];
  /** A workload token that was given, not fetched. */
  readonly workloadToken: string | undefined;
  /** The whole token: its issuer and subject count only once the server has verified it. */
  readonly userToken: string | undefined;
  readonly userId: string | undefined;
  readonly provider: string | undefined;
  readonly vault: string | undefined;
  readonly flow: string | undefined;
  /** In any order; repeats do not count. */
  readonly scopes: readonly string[] | undefined;
  readonly resource: string | undefined;
  readonly audience: string | undefined;
}

const digest = async (parts: readonly unknown[]): Promise<string> => {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(parts)));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** The cache's key: a SHA-256 over every part. JSON keeps the parts apart, and an absent one differs from an empty one. */
export const credentialKey = (of: CredentialIdentity): Promise<string> =>
  digest([
    of.kind,
    of.url,
    of.credential ?? null,
    of.agent ?? null,
    of.who,
    of.workloadToken ?? null,
    of.userToken ?? null,
    of.userId ?? null,
    of.provider ?? null,
    of.vault ?? null,
    of.flow ?? null,
    of.scopes ? [...new Set(of.scopes)].toSorted() : null,
    of.resource ?? null,
    of.audience ?? null,
  ]);

/** What may be one request: the credential, and whatever else the request says. */
export const requestKey = (credential: string, rest: unknown): Promise<string> => digest([credential, rest]);
