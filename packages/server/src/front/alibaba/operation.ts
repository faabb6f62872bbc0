import type { Code } from "@legate/contract";
import { z } from "zod";
import type { Arns } from "../../access/roles/index.ts";
import type { OperatorRole, Principal } from "../../ground/kernel/index.ts";

/** Which interface an operation belongs to: an action's name may stand in more than one of them. */
export const versions = {
  /** Agent Identity, control plane. */
  "2025-09-01": "agentidentity",
  /** Agent Identity, data plane. */
  "2025-11-27": "agentidentitydata",
  /** RAM. */
  "2015-05-01": "ram",
  /** STS. */
  "2015-04-01": "sts",
} as const;

export type Version = keyof typeof versions;
export type Interface = (typeof versions)[Version];

/** Where a request came from, and whose address it came to. */
export interface Source {
  readonly tenant: string | undefined;
  readonly requestId: string;
  readonly address: string;
}

/** A parsed request. */
export interface Call<P extends z.ZodObject> {
  /** Who signed it; nobody where it needs no signature and has none. */
  readonly who: Principal;
  readonly params: z.output<P>;
  /** The ARNs of the caller's tenant. */
  readonly arns: Arns;
  /** The 16 digits of the caller's tenant. */
  readonly account: string;
  /** For what proves itself by a parameter. */
  readonly source: Source;
}

/** Who may ask: operators of a role by an access key of theirs, agents by their own, lasting or temporary, or anybody at all. */
export type Caller = OperatorRole | "agent" | "temporary" | "anyone";

/** What a refusal is about, where the same reason has several names on this wire. */
export interface Naming {
  /** Which kind of provider is meant; OAuth 2 unless it says so. */
  readonly provider?: "OAuth2CredentialProvider" | "APIKeyCredentialProvider";
  /** What a reason is about where it is not what that usually is. */
  readonly things?: Readonly<Partial<Record<Code, string>>>;
  /** What cannot be deleted because something else holds it; the thing itself unless it says so. */
  readonly conflict?: string;
  /** The parameter that holds a policy. */
  readonly policy?: string;
  /** What a room calls a field, and the parameter that it came from; a room's name of no parameter here is not told. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** One action of this wire. */
export interface Operation<P extends z.ZodObject = z.ZodObject> {
  readonly version: Version;
  readonly action: string;
  /** Any of these suffices; checked before the parameters are read. `anyone` needs no signature. */
  readonly callers: readonly Caller[];
  /** Of the form and the query together, each decoded from text by a schema of `params.ts`; an unknown one is refused. */
  readonly params: P;
  readonly naming?: Naming;
  /** Answers the fields beside `RequestId`; undefined ones are left out. A method, so that operations of all parameters stand in one list. */
  act(call: Call<P>): Promise<object>;
}

/** Unknown parameters are refused, unless the schema says that it takes any. */
export const operation = <P extends z.ZodObject>(given: Operation<P>): Operation =>
  ({ ...given, params: given.params.def.catchall === undefined ? z.strictObject(given.params.shape) : given.params }) as Operation;

/** What operators and admins may change, and auditors read. */
export const writers = ["admin", "operator"] as const;
export const readers = ["admin", "operator", "auditor"] as const;
