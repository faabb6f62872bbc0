import type { Operation, operations } from "@legate/contract";

type Operations = typeof operations;
type In<T extends { readonly _zod: { readonly input: unknown } }> = T["_zod"]["input"];
type Out<T extends { readonly _zod: { readonly output: unknown } }> = T["_zod"]["output"];

type AlsoOf<O extends Operation> = Out<NonNullable<O["also"]>["answer"]>;

/** What a successful call of an operation gives: its answer, or its second one where it has two. */
export type AnswerOf<O extends Operation> = Out<O["answer"]> | AlsoOf<O>;
export type ParamsOf<O extends Operation> = In<O["params"]>;
export type QueryOf<O extends Operation> = Partial<Out<O["query"]>>;
export type BodyOf<O extends Operation> = In<O["body"]>;

/** The user must consent at `authorizationUrl` first; the same request with `sessionUri` asks how it stands. */
export type PendingConsent = AlsoOf<Operations["getOauth2Token"]>;

export type Agent = Out<Operations["getAgent"]["answer"]>;
export type NewAgent = BodyOf<Operations["createAgent"]>;
export type AgentKey = Out<Operations["listAgentKeys"]["answer"]>["items"][number];
export type User = Out<Operations["getUser"]["answer"]>;
export type Issuer = Out<Operations["getIssuer"]["answer"]>;
export type Provider = Out<Operations["getProvider"]["answer"]>;
export type NewProvider = BodyOf<Operations["createProvider"]>;
export type Connection = Out<Operations["getConnection"]["answer"]>;
export type AuditEvent = Out<Operations["listAuditEvents"]["answer"]>["items"][number];
export type WorkloadToken = Out<Operations["createWorkloadToken"]["answer"]>;
export type AccessToken = Out<Operations["getOauth2Token"]["answer"]>;
export type Flow = NonNullable<BodyOf<Operations["getOauth2Token"]>["flow"]>;

/** Temporary cloud credentials. No server offers them yet. */
export interface StsCredential {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string;
  /** ISO 8601, UTC. */
  readonly expiration: string;
}
