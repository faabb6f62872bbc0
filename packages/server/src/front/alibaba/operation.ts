import type { OperatorRole, Principal } from "../../ground/kernel/index.ts";
import type { Arns } from "../../access/roles/index.ts";
import type { z } from "zod";

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

/** A parsed request. */
export interface Call<P extends z.ZodObject> {
  readonly who: Principal;
  readonly params: z.output<P>;
  /** The ARNs of the caller's tenant. */
  readonly arns: Arns;
  /** The 16 digits of the caller's tenant. */
  readonly account: string;
}

/** Who may ask: operators of a role by an access key of theirs, agents by their own, lasting or temporary, or anybody at all. */
export type Caller = OperatorRole | "agent" | "temporary" | "anyone";

/** One action of this wire. */
export interface Operation<P extends z.ZodObject = z.ZodObject> {
  readonly version: Version;
  readonly action: string;
  /** Any of these suffices; checked before the parameters are read. `anyone` needs no signature. */
  readonly callers: readonly Caller[];
  /** Of the form and the query together, each decoded from text by a schema of `params.ts`; an unknown one is refused. */
  readonly params: P;
  /** Answers the fields beside `RequestId`; undefined ones are left out. */
  readonly act: (call: Call<P>) => Promise<object>;
}

export const operation = <P extends z.ZodObject>(given: Operation<P>): Operation<P> => given;

/** What operators and admins may change, and auditors read. */
export const writers = ["admin", "operator"] as const;
export const readers = ["admin", "operator", "auditor"] as const;
