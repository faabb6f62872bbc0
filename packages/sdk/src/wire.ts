import type { Operation, operations } from "@legate/contract";

/** Every operation of the contract, by its id. */
export type Operations = typeof operations;
type In<T extends { readonly _zod: { readonly input: unknown } }> = T["_zod"]["input"];
type Out<T extends { readonly _zod: { readonly output: unknown } }> = T["_zod"]["output"];

type AlsoOf<O extends Operation> = Out<NonNullable<O["also"]>["answer"]>;

/** What a successful call of an operation gives: its answer, or its second one where it has two. */
export type AnswerOf<O extends Operation> = Out<O["answer"]> | AlsoOf<O>;
/** What an operation's path is filled in with. */
export type ParamsOf<O extends Operation> = In<O["params"]>;
/** How a list is asked for, and other parameters of the query; all may be left out. */
export type QueryOf<O extends Operation> = Partial<Out<O["query"]>>;
/** What an operation's body holds. */
export type BodyOf<O extends Operation> = In<O["body"]>;

/** The user must consent at `authorizationUrl` first; the same request with `sessionUri` asks how it stands. */
export type PendingConsent = AlsoOf<Operations["getOauth2Token"]>;

/** An agent as the registry knows it. */
export type Agent = Out<Operations["getAgent"]["answer"]>;
/** What an agent is registered with. */
export type NewAgent = BodyOf<Operations["createAgent"]>;
/** An agent's API key, without the key. */
export type AgentKey = Out<Operations["listAgentKeys"]["answer"]>["items"][number];
/** A user for whom agents have acted. */
export type User = Out<Operations["getUser"]["answer"]>;
/** A trusted issuer of users' tokens. */
export type Issuer = Out<Operations["getIssuer"]["answer"]>;
/** A credential provider, without its secrets. */
export type Provider = Out<Operations["getProvider"]["answer"]>;
/** What a credential provider is registered with. */
export type NewProvider = BodyOf<Operations["createProvider"]>;
/** What the vault holds for an agent and a user, without the tokens. */
export type Connection = Out<Operations["getConnection"]["answer"]>;
/** One thing that happened. */
export type AuditEvent = Out<Operations["listAuditEvents"]["answer"]>["items"][number];
/** A workload access token, how many seconds it lives, and for whom it is. */
export type WorkloadToken = Out<Operations["createWorkloadToken"]["answer"]>;
/** A provider's access token, with what was granted. */
export type AccessToken = Out<Operations["getOauth2Token"]["answer"]>;
/** How a credential is asked of a provider. */
export type Flow = NonNullable<BodyOf<Operations["getOauth2Token"]>["flow"]>;

/** A role that agents may be turned into. */
export type Role = Out<Operations["getRole"]["answer"]>;
/** What a role is made with. */
export type NewRole = BodyOf<Operations["createRole"]>;

/** Temporary credentials of a role: of Legate's own, or of a cloud's. */
export interface StsCredential {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string;
  /** ISO 8601, UTC. */
  readonly expiration: string;
}
