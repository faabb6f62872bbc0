import { z } from "zod";
import { moment, pageOf, pageQuery, scopes, text, thingName } from "./fields.ts";
import { operation } from "./operation.ts";

const clientFields = {
  title: text(200).describe("What people read when they are asked for consent; the name where it is left out."),
  redirectUris: z
    .array(text(2_048))
    .min(1)
    .max(50)
    .describe(
      "Where a browser may be sent back to: https, http at a loopback address or `localhost`, or a private-use scheme with a dot in it. Compared character for character, but for the port of a loopback address or `localhost`.",
    ),
  issuer: thingName.describe(
    "The trusted issuer at which its users log in; where it is left out, the only one that has a `login`, or the user's choice.",
  ),
  scopes: scopes.describe("The most it may ever ask for; where it is left out, whatever the resources let it."),
};

/** What an app is registered with. */
export const newClient = z.strictObject({
  name: thingName.describe("Unique in the tenant."),
  title: clientFields.title.optional(),
  redirectUris: clientFields.redirectUris,
  issuer: clientFields.issuer.optional(),
  scopes: clientFields.scopes.optional(),
});

/** What may be changed of an app; `null` empties a field. */
export const clientChange = z.strictObject({
  title: clientFields.title.nullable().optional(),
  redirectUris: clientFields.redirectUris.optional(),
  issuer: clientFields.issuer.nullable().optional(),
  scopes: clientFields.scopes.nullable().optional(),
});

/** An app as answered. Its id is its `client_id`; it has no secret. */
export const client = z.object({
  id: z.string().describe("The `client_id`."),
  name: z.string(),
  title: z.string().optional(),
  redirectUris: z.array(z.string()),
  issuer: z.string().optional(),
  scopes: z.array(z.string()).optional(),
  status: z.enum(["active", "suspended"]),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Clients";
const named = z.strictObject({ name: text(128).describe("The app's name or id.") });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const createClient = operation({
  id: "createClient",
  noun,
  summary: "Register an app that people use: a public OAuth client, without a secret",
  method: "POST",
  path: "/v1/clients",
  rights: write,
  body: newClient,
  answer: client,
  status: 201,
  refusals: ["client_exists", "issuer_unknown"],
});
export const listClients = operation({
  id: "listClients",
  noun,
  summary: "List registered apps",
  method: "GET",
  path: "/v1/clients",
  rights: read,
  query: pageQuery,
  answer: pageOf(client),
  status: 200,
  refusals: [],
});
export const getClient = operation({
  id: "getClient",
  noun,
  summary: "Read one registered app",
  method: "GET",
  path: "/v1/clients/{name}",
  rights: read,
  params: named,
  answer: client,
  status: 200,
  refusals: ["client_unknown"],
});
export const updateClient = operation({
  id: "updateClient",
  noun,
  summary: "Change a registered app; for another title or other redirect URIs people are asked anew",
  method: "PATCH",
  path: "/v1/clients/{name}",
  rights: write,
  params: named,
  body: clientChange,
  answer: client,
  status: 200,
  refusals: ["client_unknown", "issuer_unknown"],
});
export const deleteClient = operation({
  id: "deleteClient",
  noun,
  summary: "Delete a registered app and end what people granted it",
  method: "DELETE",
  path: "/v1/clients/{name}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["client_unknown"],
});
export const suspendClient = operation({
  id: "suspendClient",
  noun,
  summary: "Stop a registered app: it gets no tokens, and nobody is asked for it",
  method: "POST",
  path: "/v1/clients/{name}/suspend",
  rights: write,
  params: named,
  answer: client,
  status: 200,
  refusals: ["client_unknown"],
});
export const resumeClient = operation({
  id: "resumeClient",
  noun,
  summary: "Let a suspended app ask again",
  method: "POST",
  path: "/v1/clients/{name}/resume",
  rights: write,
  params: named,
  answer: client,
  status: 200,
  refusals: ["client_unknown"],
});
