import { z } from "zod";
import { moment, pageOf, pageQuery, scopes, text, thingName, webUrl } from "./fields.ts";
import { operation } from "./operation.ts";

/** How an OAuth client of ours proves itself (OpenID Connect Core 9). */
export const clientAuth = z.enum(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]);

const login = z.strictObject({
  clientId: text(512),
  clientSecret: text(4096).optional(),
  clientAuth: clientAuth.optional(),
  scopes: scopes.optional(),
});

/** What a trusted issuer is registered with. */
export const newIssuer = z.strictObject({
  name: thingName,
  discoveryUrl: webUrl.describe("The issuer's `/.well-known/openid-configuration`, or the issuer URL itself."),
  audiences: z.array(text(512)).min(1).max(20).describe("A user token must name one of these in `aud`."),
  subjectClaim: z
    .string()
    .regex(/^[A-Za-z0-9_.:/-]{1,128}$/)
    .optional()
    .describe("The claim that names the user; `sub` unless set (`oid` for Entra)."),
  login: login.optional().describe("Legate's own client at this issuer, for binding `login`."),
});

/** What may be changed of a trusted issuer; `null` takes the login client away. */
export const issuerChange = z.strictObject({
  audiences: newIssuer.shape.audiences.optional(),
  subjectClaim: newIssuer.shape.subjectClaim,
  login: login.nullable().optional(),
});

/** A trusted issuer as answered, without the login client's secret. */
export const issuer = z.object({
  id: z.string(),
  name: z.string(),
  issuer: z.string().describe("The `iss` its tokens carry."),
  discoveryUrl: z.string(),
  audiences: z.array(z.string()),
  subjectClaim: z.string(),
  login: z.object({ clientId: z.string(), clientAuth: clientAuth, scopes: z.array(z.string()) }).optional(),
  loginCallbackUrl: z.string().describe("What to register at the issuer as the redirect URI of the `login` client."),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Issuers";
const named = z.strictObject({ name: text(128) });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const createIssuer = operation({
  id: "createIssuer",
  noun,
  summary: "Trust an OpenID issuer's user tokens",
  method: "POST",
  path: "/v1/issuers",
  rights: write,
  body: newIssuer,
  answer: issuer,
  status: 201,
  refusals: ["issuer_exists", "issuer_in_use", "issuer_unavailable"],
});
export const listIssuers = operation({
  id: "listIssuers",
  noun,
  summary: "List trusted issuers",
  method: "GET",
  path: "/v1/issuers",
  rights: read,
  query: pageQuery,
  answer: pageOf(issuer),
  status: 200,
  refusals: [],
});
export const getIssuer = operation({
  id: "getIssuer",
  noun,
  summary: "Read one trusted issuer",
  method: "GET",
  path: "/v1/issuers/{name}",
  rights: read,
  params: named,
  answer: issuer,
  status: 200,
  refusals: ["issuer_unknown"],
});
export const updateIssuer = operation({
  id: "updateIssuer",
  noun,
  summary: "Change a trusted issuer",
  method: "PATCH",
  path: "/v1/issuers/{name}",
  rights: write,
  params: named,
  body: issuerChange,
  answer: issuer,
  status: 200,
  refusals: ["issuer_unknown", "issuer_in_use"],
});
export const deleteIssuer = operation({
  id: "deleteIssuer",
  noun,
  summary: "Trust an issuer no more",
  method: "DELETE",
  path: "/v1/issuers/{name}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["issuer_unknown", "issuer_in_use"],
});
