/** Every kind of token we mint: what its header says, whom it is for, and how long it lives. `audience` is undefined where the grant says it. */
export const kinds = {
  /** What an agent spends at the vault. */
  workload: { typ: "wat+jwt", seconds: 30 * 60, audience: (issuer: string): string => `${issuer}/vault` },
  /** What a client spends at a resource (RFC 9068). */
  access: { typ: "at+jwt", seconds: 10 * 60, audience: undefined },
  /** Who logged in, for the client alone (OpenID Connect Core 2); no door of ours accepts it. */
  id: { typ: "JWT", seconds: 10 * 60, audience: undefined },
  /** What a Coze client exchanges; it may be replayed by the same client (wire: the first step's `access_token`). */
  coze_id: { typ: "coze-id+jwt", seconds: 120, audience: (issuer: string): string => `${issuer}/coze` },
  /** What a Coze client reads its project with. */
  coze_access: { typ: "at+jwt", seconds: 60 * 60, audience: (issuer: string): string => `${issuer}/coze` },
  /** How an agent is known to a cloud, which asks our key set (OpenID Connect Core 2); no door of ours accepts it. */
  web_identity: { typ: "JWT", seconds: 5 * 60, audience: undefined },
  /** How Legate proves itself to a provider (RFC 7523 2.2); no door of ours accepts it. */
  client_assertion: { typ: "JWT", seconds: 60, audience: undefined },
} as const;

export type Kind = keyof typeof kinds;
/** A kind that some door of ours accepts. */
export type AcceptedKind = "workload" | "access" | "coze_id" | "coze_access";

/** Below an issuer: the audiences of other kinds than `access`, and that by which assertions name us. Nobody registers or asks for one of them. */
const ofOtherKinds = ["", "/vault", "/coze", "/agentauth"] as const;

/** Whether an audience is that of another kind, so that no access token has it: two of them share a `typ`. */
export const isOfOtherKind = (issuer: string, audience: string): boolean => ofOtherKinds.some((path) => audience === issuer + path);
