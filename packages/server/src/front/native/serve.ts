import { Readable } from "node:stream";
import type { Operation, Right } from "@legate/contract";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { z } from "zod";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";

/** A parsed request. */
export interface Ask<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  readonly who: Principal;
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly body: z.output<B>;
}

/** The operation's second successful answer. */
export class Also<T> {
  readonly answer: T;
  constructor(answer: T) {
    this.answer = answer;
  }
}

/** An answer that is made while it is sent. */
export class Streamed {
  readonly pieces: AsyncIterable<string>;
  /** The name of the file that a browser makes of it. */
  readonly fileName: string;
  constructor(pieces: AsyncIterable<string>, fileName: string) {
    this.pieces = pieces;
    this.fileName = fileName;
  }
}

/** What acting answers: nothing where the operation answers nothing. */
type Answered<A extends z.ZodType, S extends z.ZodType> =
  z.input<A> extends Record<string, never> ? void : z.input<A> | Also<z.input<S>> | Streamed;

export type Serve = <P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, A extends z.ZodType, S extends z.ZodType>(
  op: Operation<P, Q, B, A, S>,
  act: (ask: Ask<P, Q, B>) => Promise<Answered<A, S>>,
) => void;

/** Who asks, with one of these rights. @throws Refusal unauthenticated, forbidden, agent_suspended, user_suspended */
export type Prove = (request: FastifyRequest, rights: readonly Right[]) => Promise<Principal>;

interface Issue {
  readonly path: string;
  readonly message: string;
}

/** How many problems of one request are named, and how long a name of the caller's is repeated to it. */
const mostIssues = 20;
const longestPath = 120;

const pathOf = (keys: readonly PropertyKey[]): string => keys.map(String).join(".").slice(0, longestPath);

/** What is wrong, where; never the value, for it may be a secret in the wrong place. */
const issuesOf = (error: z.ZodError): Issue[] =>
  error.issues.flatMap((issue): Issue | Issue[] => {
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: "unknown field" }));
    return { path: pathOf(issue.path), message: issue.message };
  });

/** What every operation's path begins with. */
export const prefix = "/v1";

/** Binds operations to routes of a scope under {@link prefix}: prove, parse, act, encode. The only place where this wire meets Fastify. */
export const serveOn =
  (app: FastifyInstance, prove: Prove): Serve =>
  (op, act) => {
    const asking = new WeakMap<FastifyRequest, Principal>();
    app.route({
      method: op.method,
      url: op.path.slice(prefix.length).replaceAll(/\{(\w+)\}/g, ":$1"),
      ...(op.largestBody !== undefined && { bodyLimit: op.largestBody }),
      config: { operation: op.id, proves: !op.rights.includes("anyone") },
      // Before the body is read: nobody learns what an operation takes, or makes us parse, without a right to it.
      onRequest: async (request) => {
        const who = await prove(request, op.rights);
        asking.set(request, who);
        request.caller = who;
      },
      handler: async (request, reply) => {
        const who = asking.get(request);
        if (!who) throw new Error("A request reached its handler without having been proven.");
        const params = op.params.safeParse(request.params);
        const query = op.query.safeParse(request.query);
        const body = op.body.safeParse(request.body === undefined ? {} : request.body);
        if (!params.success || !query.success || !body.success) {
          const issues = [params, query, body].flatMap(({ error }) => (error ? issuesOf(error) : [])).slice(0, mostIssues);
          throw new Refusal("invalid_request", "The request does not parse; `details.issues` names what is wrong.", { issues });
        }
        const answer = await act({ who, params: params.data, query: query.data, body: body.data });
        if (op.status === 204) return reply.code(204).send();
        if (answer instanceof Streamed) {
          if (op.streams === undefined) throw new Error(`${op.id} streams nothing.`);
          reply.type(`${op.streams}; charset=utf-8`).header("content-disposition", `attachment; filename="${answer.fileName}"`);
          // As bytes, so that what is made ahead of a slow reader is counted by its size.
          return reply.code(op.status).send(Readable.from(answer.pieces, { objectMode: false }));
        }
        if (!(answer instanceof Also)) return reply.code(op.status).send(op.answer.parse(answer));
        if (!op.also) throw new Error(`${op.id} has no second answer.`);
        return reply.code(op.also.status).send(op.also.answer.parse(answer.answer));
      },
    });
  };
