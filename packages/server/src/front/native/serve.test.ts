import { operation, type Right } from "@legate/contract";
import type { FastifyRequest } from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { Refusal, systemRandom } from "../../ground/kernel/index.ts";
import { adminOf } from "../../testing/stores.ts";
import { type Http, makeHttp, makeLog, readJson } from "../http/index.ts";
import { answerErrors } from "./errors.ts";
import { Also, prefix, serveOn } from "./serve.ts";

const opened: Http[] = [];
afterEach(async () => {
  for (const http of opened.splice(0)) await http.close();
});

const common = { noun: "Things", summary: "Try", refusals: [] } as const;
const writing: readonly Right[] = ["admin"];
const make = operation({
  ...common,
  id: "make",
  method: "POST",
  path: "/v1/things/{name}",
  rights: writing,
  params: z.strictObject({ name: z.string().max(5) }),
  query: z.strictObject({ limit: z.coerce.number().int().min(1).default(7) }),
  body: z.strictObject({ secret: z.string().max(8), list: z.array(z.strictObject({ on: z.boolean() })).optional() }),
  answer: z.object({ name: z.string(), limit: z.number() }),
  status: 201,
  also: { status: 202, answer: z.object({ status: z.literal("pending") }) },
});
const remove = operation({ ...common, id: "remove", method: "DELETE", path: "/v1/things", rights: writing, status: 204 });
const poke = operation({ ...common, id: "poke", method: "POST", path: "/v1/poke", rights: writing, status: 204 });

/** A server with three operations; `Bearer good` may do all. */
const open = async () => {
  const acted: unknown[] = [];
  const http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl: "http://127.0.0.1", trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve() },
  );
  opened.push(http);
  await http.app.register(
    (scope, _options, done) => {
      readJson(scope);
      answerErrors(scope);
      const serve = serveOn(scope, (request: FastifyRequest, rights) => {
        if (request.headers.authorization !== "Bearer good") return Promise.reject(new Refusal("unauthenticated", "Who?"));
        expect(rights).toBe(writing);
        return Promise.resolve(adminOf("default"));
      });
      serve(make, ({ who, params, query, body }) => {
        acted.push({ tenant: who.tenant, params, query, body });
        if (body.secret === "wait") return Promise.resolve(new Also({ status: "pending", sealed: "hidden" }));
        if (body.secret === "odd") return Promise.resolve({ name: 7 } as unknown as { name: string; limit: number });
        return Promise.resolve({ name: params.name, limit: query.limit, sealed: "hidden" });
      });
      serve(remove, () => Promise.resolve());
      serve(poke, () => Promise.resolve());
      done();
    },
    { prefix },
  );
  const ask = (
    body: unknown,
    { url = "/v1/things/lamp", method = "POST", authorization = "Bearer good", type = "application/json" }: Record<string, string> = {},
  ) =>
    http.app.inject({
      method: method as "POST",
      url,
      headers: { authorization, ...(body !== undefined && { "content-type": type }) },
      ...(body !== undefined && { payload: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  return { ask, acted };
};

type Failure = { error: { code: string; requestId: string; details?: { issues: { path: string; message: string }[] } } };

describe("an operation", () => {
  test("is parsed, acted and encoded by its schemas; what they do not name never leaves", async () => {
    const { ask, acted } = await open();
    const answer = await ask({ secret: "x" }, { url: "/v1/things/lamp?limit=9" });
    expect([answer.statusCode, answer.json()]).toEqual([201, { name: "lamp", limit: 9 }]);
    expect(acted).toEqual([{ tenant: "default", params: { name: "lamp" }, query: { limit: 9 }, body: { secret: "x" } }]);
  });

  test("may have a second answer, and an empty one", async () => {
    const { ask } = await open();
    const pending = await ask({ secret: "wait" });
    expect([pending.statusCode, pending.json()]).toEqual([202, { status: "pending" }]);
    const gone = await ask(undefined, { method: "DELETE", url: "/v1/things" });
    expect([gone.statusCode, gone.body, gone.headers["content-type"]]).toEqual([204, "", undefined]);
  });

  test("without fields takes no body, an empty one, or {}, and nothing else", async () => {
    const { ask } = await open();
    for (const body of [undefined, "", {}]) expect((await ask(body, { url: "/v1/poke" })).statusCode).toBe(204);
    for (const body of [{ a: 1 }, "null", "[]", "0", '"x"']) expect((await ask(body, { url: "/v1/poke" })).statusCode).toBe(400);
  });

  test("asks for the credential before it looks at anything else", async () => {
    const { ask, acted } = await open();
    for (const body of ["{", { unknown: 1 }, `"${"a".repeat(300_000)}"`]) {
      const answer = await ask(body, { authorization: "Bearer bad", url: "/v1/things/much-too-long?x=1" });
      expect([answer.statusCode, answer.headers["www-authenticate"]]).toEqual([401, 'Bearer realm="legate"']);
    }
    expect((await ask("x", { authorization: "", type: "text/plain" })).statusCode).toBe(401);
    expect(acted).toEqual([]);
  });

  test("names every problem with its path and never repeats a value", async () => {
    const { ask, acted } = await open();
    const answer = await ask(
      { secret: "far-too-long-a-secret", list: [{ on: "hush-hush" }], extra: "private" },
      { url: "/v1/things/much-too-long?limit=zero&more=1" },
    );
    const { error } = answer.json<Failure>();
    expect([answer.statusCode, error.code, error.requestId]).toEqual([400, "invalid_request", answer.headers["x-request-id"]]);
    expect(error.details?.issues.map(({ path }) => path).sort()).toEqual(["extra", "limit", "list.0.on", "more", "name", "secret"]);
    for (const value of ["far-too", "hush", "private", "zero", "much"]) expect(answer.body).not.toContain(value);
    expect(acted).toEqual([]);
  });

  test("names no key or token of ours that was put where a name belongs", async () => {
    const { ask } = await open();
    const hex = "0123456789abcdef".repeat(4);
    const lost = [`sk_${hex}`, `cs_${hex}`, `op_${hex}`, `rt_${hex}`, `eyJhbGciOiJFUzI1NiJ9.${hex}.${hex}`];
    for (const secret of lost) {
      const answer = await ask({ [secret]: 1 }, { url: `/v1/things/lamp?${secret}=${secret}` });
      expect([answer.statusCode, answer.headers["content-type"]]).toEqual([400, "application/json; charset=utf-8"]);
      expect(answer.json<Failure>().error.details?.issues.map(({ path }) => path)).toContain("[hidden]");
      expect(answer.body).not.toContain(hex);
    }
  });

  test("repeated query parameters and endless lists of problems stay a short 400", async () => {
    const { ask } = await open();
    expect((await ask({ secret: "x" }, { url: "/v1/things/lamp?limit=1&limit=2" })).statusCode).toBe(400);
    const many = await ask(Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`${"k".repeat(30)}${at}`, at])));
    expect(many.json<Failure>().error.details?.issues).toHaveLength(20);
    expect(many.body.length).toBeLessThan(5_000);
  });

  test("that answers what its schema does not allow is a 500 that tells nothing", async () => {
    const { ask } = await open();
    const answer = await ask({ secret: "odd" });
    expect([answer.statusCode, answer.json<Failure>().error.code, answer.json<Failure>().error.details]).toEqual([
      500,
      "internal",
      undefined,
    ]);
  });
});
