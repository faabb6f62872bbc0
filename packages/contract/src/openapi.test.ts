import { describe, expect, test } from "vitest";
import { agentRef, type Code, codes, makeOpenApi, nothing, type Operation, operations, user } from "./index.ts";

type Json = { readonly [key: string]: Json } & readonly Json[] & string;

const statuses = Object.fromEntries(Object.keys(codes).map((code, at) => [code, 400 + at])) as Record<Code, number>;
const document = () => makeOpenApi({ serverUrl: "https://id.example.com", version: "1.2.3", statuses }) as unknown as Json;
const all = (Object.values(operations) as readonly Operation[]).map((op) => [op.id, op] as const);
const found = (op: Operation): Json => document()["paths"]?.[op.path]?.[op.method.toLowerCase()] as Json;

/** Every object in a document, with the place where it stands. */
const walk = (value: unknown, at = "#"): readonly (readonly [string, Record<string, unknown>])[] =>
  typeof value !== "object" || value === null
    ? []
    : [[at, value as Record<string, unknown>], ...Object.entries(value).flatMap(([key, inner]) => walk(inner, `${at}/${key}`))];

const resolve = (doc: Json, ref: string): unknown =>
  ref
    .slice(2)
    .split("/")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], doc);

describe("the document", () => {
  test("has what OpenAPI 3.1 asks of one", () => {
    const doc = document();
    expect(doc).toMatchObject({
      openapi: "3.1.0",
      info: { title: "Legate", version: "1.2.3" },
      servers: [{ url: "https://id.example.com" }],
    });
    expect(JSON.parse(JSON.stringify(doc))).toEqual(doc);
    for (const name of Object.keys(doc["components"]?.["schemas"] ?? {})) expect(name).toMatch(/^[a-zA-Z0-9.\-_]+$/);
  });

  test("refers only to what is there, and uses every component", () => {
    const doc = document();
    const refs = walk(doc).flatMap(([, value]) => (typeof value["$ref"] === "string" ? [value["$ref"]] : []));
    for (const ref of refs) expect(resolve(doc, ref), ref).toBeTypeOf("object");
    for (const kind of ["schemas", "headers"]) {
      for (const name of Object.keys(doc["components"]?.[kind] ?? {})) expect(refs).toContain(`#/components/${kind}/${name}`);
    }
  });

  test("keeps nothing of JSON Schema that has no meaning here", () => {
    for (const [at, value] of walk(document())) {
      for (const key of ["$schema", "$defs", "id", "$id"].filter((name) => typeof value[name] === "string"))
        expect.unreachable(`${at}/${key}`);
    }
  });

  test("says of a field what the contract says of it, in bodies, answers, queries and paths", () => {
    const body = found(operations.completeAuthorization)["requestBody"]?.["content"]?.["application/json"]?.["schema"];
    expect(body).toHaveProperty("properties.sessionUri.description", operations.completeAuthorization.body.shape.sessionUri.description);
    expect(document()["components"]?.["schemas"]).toHaveProperty("User.properties.proven.description", user.shape.proven.description);
    const described = (op: Operation) => (found(op)["parameters"] as unknown as object[]).filter((one) => "description" in one);
    expect(described(operations.listUsers)).toMatchObject([{ name: "limit" }, { name: "cursor" }]);
    expect(described(operations.getAgent)).toMatchObject([{ name: "name", description: agentRef.description }]);
  });

  test("names each operation once", () => {
    const ids = walk(document()).flatMap(([, value]) => (typeof value["operationId"] === "string" ? [value["operationId"]] : []));
    expect([...ids].sort((a, b) => a.localeCompare(b))).toEqual(all.map(([id]) => id).sort((a, b) => a.localeCompare(b)));
  });

  test("lets an answer gain fields, and refuses unknown ones in a request", () => {
    const schemas = document()["components"]?.["schemas"];
    for (const [name, schema] of Object.entries(schemas ?? {})) expect(schema["type"] ?? schema["oneOf"], name).toBeDefined();
    expect(schemas?.["Agent"]).toHaveProperty("properties.id");
    expect(schemas?.["Agent"]).not.toHaveProperty("additionalProperties");
    expect(schemas?.["NewAgent"]).toHaveProperty("additionalProperties", false);
  });
});

describe.each(all)("%s", (_, op) => {
  const item = found(op);

  test("stands in the document with its parameters, each in its place", () => {
    expect(item).toMatchObject({ operationId: op.id, summary: op.summary, tags: [op.noun] });
    const inPath = [...op.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const parameters = item["parameters"] as unknown as { name: string; in: string; required: boolean; schema: object }[];
    expect(parameters.filter((one) => one.in === "path").map(({ name }) => name)).toEqual(inPath);
    expect(parameters.filter((one) => one.in === "query").map(({ name }) => name)).toEqual(Object.keys(op.query.shape));
    for (const { schema } of parameters) expect(schema).toHaveProperty("type");
    expect(parameters.filter((one) => one.in === "path" && !one.required)).toEqual([]);
  });

  test("says who may ask", () => {
    expect(Array.isArray(item["security"])).toBe(true);
    const schemes = (item["security"] as readonly object[]).flatMap((one) => Object.keys(one));
    expect(schemes.includes("agentKey")).toBe(op.rights.includes("agent"));
    expect(schemes.includes("workloadToken")).toBe(op.rights.includes("workload-token"));
    expect(schemes.includes("userToken")).toBe(op.rights.includes("user-token"));
    expect(schemes.includes("operatorKey")).toBe(
      op.rights.some((right) => ["installation-admin", "admin", "operator", "auditor"].includes(right)),
    );
  });

  test("has a body exactly where it reads one, and an answer exactly where it gives one", () => {
    expect(item["requestBody"] !== undefined).toBe(op.body !== nothing);
    const responses = item["responses"] as Json;
    expect(responses[op.status]?.["content"] !== undefined).toBe(op.status !== 204);
    expect(responses[202] !== undefined).toBe(op.status === 202 || op.also !== undefined);
  });

  test("lists every refusal under its status", () => {
    const responses = item["responses"] as Json;
    for (const code of [...op.refusals, "invalid_request", "internal"] as const) {
      expect(responses[statuses[code]]?.["description"]).toContain(`\`${code}\``);
    }
  });
});
