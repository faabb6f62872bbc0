import { z } from "zod";
import { moment, pageOf, pageQuery, scope, text, thingName } from "./fields.ts";
import { operation } from "./operation.ts";
import { mayUseEntry } from "./providers.ts";

/** Which apps may ask people for a resource: an app by name or id, the URL of a client's metadata document, `registered`, or `*`. */
const clientEntry = z.union([z.literal("*"), text(2_048).regex(/^(https:\/\/.+|[A-Za-z0-9][A-Za-z0-9_.-]{0,127})$/)]);

const resourceFields = {
  name: thingName.describe("Unique in the tenant."),
  agents: z.array(mayUseEntry).max(500).describe("Which agents may have tokens for it, as of a credential provider. `*` when left out."),
  clients: z
    .array(clientEntry)
    .max(500)
    .describe(
      "Which apps may ask people for it: by name, id or metadata document, `registered` for all registered ones, `*` for any. None when left out.",
    ),
  servers: z
    .array(mayUseEntry)
    .max(100)
    .describe("Which agents are this resource: they may introspect and exchange the tokens that are sent to it. None when left out."),
  scopes: z
    .array(
      z.strictObject({
        name: scope,
        description: text(200).optional().describe("What the person who is asked for it reads."),
        agents: z
          .array(mayUseEntry)
          .max(500)
          .optional()
          .describe("Keeps it for some of the resource's agents: no other agent and no app may have it."),
      }),
    )
    .max(100)
    .describe("What may be asked for there. The names of OpenID Connect (`openid`, `profile`, ...) are not a resource's own."),
};

/** What a resource is registered with. */
export const newResource = z.strictObject({
  name: resourceFields.name,
  identifier: text(1_024).describe("The audience of its tokens: an absolute URI without a fragment. It cannot change."),
  agents: resourceFields.agents.optional(),
  clients: resourceFields.clients.optional(),
  servers: resourceFields.servers.optional(),
  scopes: resourceFields.scopes,
});

/** What may be changed of a resource. */
export const resourceChange = z.strictObject(resourceFields).partial();

/** A resource as answered. */
export const resource = z.object({
  id: z.string(),
  name: z.string(),
  identifier: z.string(),
  agents: z.array(z.string()),
  clients: z.array(z.string()),
  servers: z.array(z.string()),
  scopes: z.array(z.object({ name: z.string(), description: z.string().optional(), agents: z.array(z.string()).optional() })),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Resources";
const named = z.strictObject({ name: text(128).describe("The resource's name or id.") });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const createResource = operation({
  id: "createResource",
  noun,
  summary: "Register a resource: what OAuth clients may ask tokens for",
  method: "POST",
  path: "/v1/resources",
  rights: write,
  body: newResource,
  answer: resource,
  status: 201,
  refusals: ["resource_exists", "agent_unknown", "client_unknown"],
});
export const listResources = operation({
  id: "listResources",
  noun,
  summary: "List resources",
  method: "GET",
  path: "/v1/resources",
  rights: read,
  query: pageQuery,
  answer: pageOf(resource),
  status: 200,
  refusals: [],
});
export const getResource = operation({
  id: "getResource",
  noun,
  summary: "Read one resource",
  method: "GET",
  path: "/v1/resources/{name}",
  rights: read,
  params: named,
  answer: resource,
  status: 200,
  refusals: ["resource_unknown"],
});
export const updateResource = operation({
  id: "updateResource",
  noun,
  summary: "Change a resource, its scopes or who may have them",
  method: "PATCH",
  path: "/v1/resources/{name}",
  rights: write,
  params: named,
  body: resourceChange,
  answer: resource,
  status: 200,
  refusals: ["resource_unknown", "resource_exists", "agent_unknown", "client_unknown"],
});
export const deleteResource = operation({
  id: "deleteResource",
  noun,
  summary: "Delete a resource: no more tokens are given for it",
  method: "DELETE",
  path: "/v1/resources/{name}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["resource_unknown"],
});
