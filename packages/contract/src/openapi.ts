import { z } from "zod";
import { agentKey } from "./agent-keys.ts";
import { agent, agentChange, newAgent } from "./agents.ts";
import { auditEvent } from "./audit.ts";
import { type Code, codes } from "./codes.ts";
import { connection } from "./credentials.ts";
import { errorAnswer } from "./errors.ts";
import { grant } from "./grants.ts";
import { issuer, issuerChange, newIssuer } from "./issuers.ts";
import { nothing, type Operation, type Right } from "./operation.ts";
import { operations } from "./operations.ts";
import { operator } from "./operators.ts";
import { integration, project, projectBody, variable } from "./projects.ts";
import { newProvider, provider, providerChange } from "./providers.ts";
import { tenant } from "./tenants.ts";
import { user } from "./users.ts";

type Json = Readonly<Record<string, unknown>>;

/** Schemas that stand once, under their name. */
const named: Readonly<Record<string, readonly [schema: z.ZodType, io: "input" | "output"]>> = {
  Agent: [agent, "output"],
  AgentChange: [agentChange, "input"],
  AgentKey: [agentKey, "output"],
  AuditEvent: [auditEvent, "output"],
  Connection: [connection, "output"],
  Error: [errorAnswer, "output"],
  Grant: [grant, "output"],
  Integration: [integration, "output"],
  Issuer: [issuer, "output"],
  IssuerChange: [issuerChange, "input"],
  NewAgent: [newAgent, "input"],
  NewIssuer: [newIssuer, "input"],
  NewProvider: [newProvider, "input"],
  Operator: [operator, "output"],
  Project: [project, "output"],
  ProjectBody: [projectBody, "input"],
  Provider: [provider, "output"],
  ProviderChange: [providerChange, "input"],
  Tenant: [tenant, "output"],
  User: [user, "output"],
  Variable: [variable, "output"],
};

const names = z.registry<{ id: string }>();
for (const [id, [schema]] of Object.entries(named)) names.add(schema, { id });

/** JSON Schema 2020-12, which is what OpenAPI 3.1 speaks, with named schemas as references: at the root too, unless it is to be `defined`. */
const schemaOf = (schema: z.ZodType, io: "input" | "output", defined?: string): Json => {
  const made = z.toJSONSchema(schema, {
    io,
    metadata: names,
    override: ({ zodSchema, jsonSchema }) => {
      // A registry of our own takes the place of zod's, where `describe` writes.
      const { description } = z.globalRegistry.get(zodSchema) ?? {};
      if (description !== undefined) jsonSchema.description = description;
      // An answer may gain fields: a client that validates must let them pass.
      if (io === "output" && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      // What zod adds to every integer says only what a JavaScript number can hold.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      delete jsonSchema.id;
    },
  });
  const { $schema: _, $defs, ...root } = made;
  const wanted = defined === undefined ? root : ($defs?.[defined] ?? root);
  return JSON.parse(JSON.stringify(wanted).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
};

const operatorKey = "operatorKey";
const schemes: Readonly<Record<Exclude<Right, "anyone">, string>> = {
  "installation-admin": operatorKey,
  admin: operatorKey,
  operator: operatorKey,
  auditor: operatorKey,
  agent: "agentKey",
  "user-token": "userToken",
  "workload-token": "workloadToken",
};

const rightsInWords: Readonly<Record<Right, string>> = {
  anyone: "anyone",
  "installation-admin": "an admin of tenant `default`",
  admin: "an admin",
  operator: "an operator",
  auditor: "an auditor",
  agent: "an agent with its key",
  "user-token": "a user with a trusted issuer's token",
  "workload-token": "an agent with a workload access token",
};

const securitySchemes = {
  operatorKey: { type: "http", scheme: "bearer", description: "The admin key, or another operator's key." },
  agentKey: { type: "http", scheme: "bearer", description: "An agent's API key, `sk_...`." },
  workloadToken: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "A workload access token of `/v1/workload-tokens`." },
  userToken: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "A token of the user, by a trusted issuer." },
};

const parametersOf = (place: "path" | "query", fields: z.ZodObject): readonly Json[] =>
  Object.entries(fields.shape as Record<string, z.ZodType>).map(([name, field]) => {
    const { description, ...schema } = schemaOf(field, "input");
    const required = place === "path" || !field.safeParse(undefined).success;
    return { name, in: place, required, ...(description !== undefined && { description }), schema };
  });

/** What any caller of this operation should be ready for, its own refusals first. */
const refusalsOf = ({ refusals, rights, body }: Operation): readonly Code[] => {
  const proves = !rights.includes("anyone");
  const asAgent = rights.includes("agent") || rights.includes("workload-token");
  const common: readonly (readonly [Code, boolean])[] = [
    ["invalid_request", true],
    ["unauthenticated", proves],
    ["forbidden", proves],
    ["agent_suspended", asAgent],
    ["user_suspended", rights.includes("workload-token") || rights.includes("user-token")],
    ["payload_too_large", body !== nothing],
    ["unsupported_media_type", body !== nothing],
    ["rate_limited", true],
    ["unavailable", true],
    ["internal", true],
  ];
  return [...new Set([...refusals, ...common.flatMap(([code, given]) => (given ? [code] : []))])];
};

const requestId = { "x-request-id": { $ref: "#/components/headers/RequestId" } };

const success = (summary: string, answer: z.ZodType, mediaType = "application/json"): Json => ({
  description: summary,
  headers: requestId,
  ...(answer !== nothing && { content: { [mediaType]: { schema: schemaOf(answer, "output") } } }),
});

const refused = (given: readonly Code[]): Json => ({
  description: given.map((code) => `\`${code}\`: ${codes[code]}`).join("\n\n"),
  headers: { ...requestId, ...(given.includes("rate_limited") && { "Retry-After": { $ref: "#/components/headers/RetryAfter" } }) },
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
});

const responsesOf = (op: Operation, statuses: Readonly<Record<Code, number>>): Json => {
  const byStatus = new Map<string, Code[]>();
  for (const code of refusalsOf(op)) {
    const status = String(statuses[code]);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  // A query that is longer than a server reads is too large a head, not a body (RFC 6585 5).
  if (op.query !== nothing) byStatus.set("431", ["payload_too_large"]);
  return {
    [op.status]: success(op.status === 204 ? "Done" : op.summary, op.answer, op.streams),
    ...(op.also && { [op.also.status]: success("Not yet: the user has to consent first", op.also.answer) }),
    ...Object.fromEntries([...byStatus].sort(([a], [b]) => a.localeCompare(b)).map(([status, given]) => [status, refused(given)])),
  };
};

const pathItemOf = (op: Operation, statuses: Readonly<Record<Code, number>>): Json => ({
  operationId: op.id,
  tags: [op.noun],
  summary: op.summary,
  description: `May be asked by ${op.rights.map((right) => rightsInWords[right]).join(", or ")}.`,
  security: op.rights.includes("anyone")
    ? []
    : [...new Set(op.rights.flatMap((right) => (right === "anyone" ? [] : [schemes[right]])))].map((scheme) => ({ [scheme]: [] })),
  parameters: [...parametersOf("path", op.params), ...parametersOf("query", op.query)],
  ...(op.body !== nothing && {
    requestBody: {
      required: !op.body.safeParse({}).success,
      content: { "application/json": { schema: schemaOf(op.body, "input") } },
    },
  }),
  responses: responsesOf(op, statuses),
});

/** What {@link makeOpenApi} needs to know of the server. */
export interface OpenApiFor {
  /** The origin under which the operations are reached. */
  readonly serverUrl: string;
  readonly version: string;
  /** The HTTP status of each refusal. */
  readonly statuses: Readonly<Record<Code, number>>;
}

/** Describes every operation as an OpenAPI 3.1 document. */
export const makeOpenApi = ({ serverUrl, version, statuses }: OpenApiFor): object => {
  const all: readonly Operation[] = Object.values(operations);
  const paths = new Map<string, Record<string, Json>>();
  for (const op of all) {
    const item = paths.get(op.path) ?? {};
    item[op.method.toLowerCase()] = pathItemOf(op, statuses);
    paths.set(op.path, item);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Legate",
      version,
      description: "The identity and credential server for AI agents.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: serverUrl }],
    tags: [...new Set(all.map(({ noun }) => noun))].map((name) => ({ name })),
    paths: Object.fromEntries(paths),
    components: {
      schemas: Object.fromEntries(Object.entries(named).map(([id, [schema, io]]) => [id, schemaOf(schema, io, id)])),
      headers: {
        RequestId: { description: "Finds this request in logs and audit.", schema: { type: "string" } },
        RetryAfter: { description: "Seconds to wait.", schema: { type: "integer" } },
      },
      securitySchemes,
    },
  };
};
