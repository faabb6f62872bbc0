import { z } from "zod";
import type { Code } from "./codes.ts";

/**
 * Who may ask: any one of an operation's rights suffices. `user-token` is a trusted issuer's token of the user; `workload-token` a WAT;
 * `installation-admin` an admin of tenant `default`, who runs the installation for all tenants.
 */
export type Right = "anyone" | "installation-admin" | "admin" | "operator" | "auditor" | "agent" | "user-token" | "workload-token";

/** One thing that can be asked of Legate over its own wire. Routes, OpenAPI, the SDK and the rights test are read from these. */
export interface Operation<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
  Also extends z.ZodType = z.ZodType,
> {
  /** Unique, camelCase: the OpenAPI `operationId`. */
  readonly id: string;
  /** The heading it stands under in the reference. */
  readonly noun: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With `{name}` for each key of `params`. */
  readonly path: `/v1/${string}`;
  /** Who may ask, any of these; the server checks it before the room is called. */
  readonly rights: readonly Right[];
  readonly params: Params;
  readonly query: Query;
  /** `nothing` where the operation reads no body. */
  readonly body: Body;
  /** The bytes that a body may have, where that is more than the 256 KiB of all others. */
  readonly largestBody?: number;
  /** What a success carries; `nothing` with 204. */
  readonly answer: Answer;
  readonly status: 200 | 201 | 202 | 204;
  /** The media type of an answer that is streamed as text, where it is; `answer` is then any text. */
  readonly streams?: string;
  /** A second successful answer, where there is one (202 while a consent is pending). */
  readonly also?: { readonly status: 202; readonly answer: Also };
  /** The refusals a caller should be ready for, beyond those every operation may give. */
  readonly refusals: readonly Code[];
}

/** No fields at all: an unknown one is refused. */
export const nothing = z.strictObject({});
/** The schema of {@link nothing}. */
export type Nothing = typeof nothing;

type Given<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, A extends z.ZodType, S extends z.ZodType> = Omit<
  Operation<P, Q, B, A, S>,
  "params" | "query" | "body" | "answer"
> & { readonly params?: P; readonly query?: Q; readonly body?: B; readonly answer?: A };

/** Makes an operation; whatever is left out of params, query, body and answer is `nothing`. */
export const operation = <
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
  B extends z.ZodType = Nothing,
  A extends z.ZodType = Nothing,
  S extends z.ZodType = never,
>(
  given: Given<P, Q, B, A, S>,
): Operation<P, Q, B, A, S> => ({
  ...given,
  params: given.params ?? (nothing as unknown as P),
  query: given.query ?? (nothing as unknown as Q),
  body: given.body ?? (nothing as unknown as B),
  answer: given.answer ?? (nothing as unknown as A),
});
