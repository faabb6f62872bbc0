import { z } from "zod";
import { agentRef } from "./agents.ts";
import { moment, pageOf, pageQuery, scopes, text, thingName, tokenText, userId, webUrl } from "./fields.ts";
import { operation } from "./operation.ts";
import { flow } from "./providers.ts";

const notBoth = (ask: { userToken?: string | undefined; userId?: string | undefined }) =>
  ask.userToken === undefined || ask.userId === undefined;

export const createWorkloadToken = operation({
  id: "createWorkloadToken",
  noun: "Workload tokens",
  summary: "Get a workload access token for an agent: alone, for a user's token, or for a user id",
  method: "POST",
  path: "/v1/workload-tokens",
  rights: ["admin", "operator", "agent"],
  body: z
    .strictObject({
      agent: agentRef.optional().describe("Needed with an operator key; an agent key is its own agent."),
      userToken: tokenText.optional(),
      userId: userId.optional(),
    })
    .refine(notBoth, "give userToken or userId, not both"),
  answer: z.object({
    token: z.string(),
    expiresIn: z.number().int().describe("Seconds that are left."),
    agent: z.object({ id: z.string(), name: z.string() }),
    user: z.object({ id: z.string(), issuer: z.string(), subject: z.string() }).optional(),
  }),
  status: 200,
  refusals: ["agent_unknown", "agent_suspended", "user_token_invalid", "user_suspended", "asserted_users_forbidden", "issuer_unavailable"],
});

export const getApiKey = operation({
  id: "getApiKey",
  noun: "Credentials",
  summary: "Get an API key that the vault holds",
  method: "POST",
  path: "/v1/credentials/api-key",
  rights: ["workload-token"],
  body: z.strictObject({ provider: thingName, vault: thingName.optional() }),
  answer: z.object({ apiKey: z.string() }),
  status: 200,
  refusals: ["provider_unknown", "provider_suspended", "provider_wrong_type"],
});

export const getStsCredential = operation({
  id: "getStsCredential",
  noun: "Credentials",
  summary: "Get temporary credentials of a role: the agent's own, or the one of a provider of type `sts`",
  method: "POST",
  path: "/v1/credentials/sts",
  rights: ["workload-token"],
  body: z.strictObject({
    provider: thingName.optional().describe("The agent's own role when left out."),
    vault: thingName.optional(),
    durationSeconds: z.number().int().min(900).max(43_200).optional().describe("How long they live; 3600 when left out."),
    policy: text(2_048)
      .optional()
      .describe("JSON text that narrows what they may do: in the words of RAM, or in those of the role's cloud."),
    sessionName: z
      .string()
      .regex(/^[A-Za-z0-9_.@=,-]{2,64}$/, "must be 2 to 64 of A-Z a-z 0-9 _ . @ = , -")
      .optional()
      .describe("By what the session is known in records; the agent's name when left out."),
  }),
  answer: z.object({ accessKeyId: z.string(), accessKeySecret: z.string(), securityToken: z.string(), expiration: moment }),
  status: 200,
  refusals: [
    "role_required",
    "role_unknown",
    "role_refused",
    "policy_invalid",
    "provider_unknown",
    "provider_suspended",
    "provider_wrong_type",
    "provider_refused",
    "provider_unavailable",
    "too_many",
  ],
});

/** Parameters of the authorization request that Legate sets itself. */
export const reservedParameters =
  /^(client_id|client_secret|redirect_uri|response_type|response_mode|scope|state|nonce|code_challenge.*|request.*|resource|audience)$/i;

export const getOauth2Token = operation({
  id: "getOauth2Token",
  noun: "Credentials",
  summary: "Get an access token of an OAuth 2 provider, or the address where the user consents",
  method: "POST",
  path: "/v1/credentials/oauth2",
  rights: ["workload-token"],
  body: z.strictObject({
    provider: thingName,
    vault: thingName.optional(),
    flow: flow
      .optional()
      .describe(
        "The only flow that the provider serves; else USER_FEDERATION when the workload token names a user, and M2M when it names none.",
      ),
    scopes: scopes.optional().describe("The provider's own when left out."),
    returnUrl: webUrl
      .optional()
      .describe(
        "Where the browser goes after the consent; on the agent's `allowedReturnUrls`. It gets `session_uri`, which completes the consent, and `state`.",
      ),
    customState: text(2048).optional().describe("Comes back, character for character, as `state` on the return URL."),
    customParameters: z
      // Providers that fold dots, spaces and brackets in a name into others (PHP does) would read a reserved name where none was written.
      .record(z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, "must be 1 to 128 of A-Z a-z 0-9 _ -"), text(2048))
      .refine((p) => Object.keys(p).length <= 20, "must have at most 20 entries")
      .refine((p) => !Object.keys(p).some((name) => reservedParameters.test(name)), "may not name a parameter that Legate sets itself")
      .optional()
      .describe("Added to the provider's authorization request."),
    forceAuthentication: z.boolean().optional().describe("Ask the user again even where a token is stored."),
    sessionUri: text(512).optional().describe("Asks how the consent stands whose `sessionUri` an earlier answer gave."),
    resource: webUrl.optional().describe("RFC 8707."),
    audience: text(512).optional(),
    subjectToken: tokenText.optional().describe("On-behalf-of: the user's token at hand."),
  }),
  answer: z.object({
    accessToken: z.string(),
    tokenType: z.string(),
    expiresAt: moment.optional().describe("Absent where the provider does not say."),
    scopes: z.array(z.string()).describe("What was granted."),
    missingScopes: z.array(z.string()).optional().describe("What was asked for and not granted."),
  }),
  status: 200,
  also: {
    status: 202,
    answer: z.object({
      authorizationUrl: z.string().describe("Where the user's browser goes to consent."),
      sessionUri: z.string().describe("Polls this consent. It does not complete one: that takes the `session_uri` of the return URL."),
      status: z.literal("pending"),
    }),
  },
  refusals: [
    "provider_unknown",
    "provider_suspended",
    "provider_wrong_type",
    "user_required",
    "return_url_required",
    "return_url_not_allowed",
    "session_unknown",
    "authorization_denied",
    "authorization_expired",
    "authorization_failed",
    "provider_refused",
    "provider_unavailable",
  ],
});

export const completeAuthorization = operation({
  id: "completeAuthorization",
  noun: "Credentials",
  summary: "Finish a consent of binding `application`, naming the user who is logged in",
  method: "POST",
  path: "/v1/authorizations/complete",
  rights: ["admin", "operator", "agent", "user-token"],
  body: z
    .strictObject({
      sessionUri: text(512).describe(
        "The `session_uri` that the return URL carried, whole: it has a proof in it. The one of the 202 answer has none and is refused.",
      ),
      userToken: tokenText.optional(),
      userId: userId.optional(),
    })
    .refine(notBoth, "give userToken or userId, not both"),
  answer: z.object({ connection: z.string(), scopes: z.array(z.string()), missingScopes: z.array(z.string()).optional() }),
  status: 200,
  refusals: [
    "session_unknown",
    "authorization_pending",
    "session_used",
    "session_user_mismatch",
    "authorization_denied",
    "authorization_expired",
    "authorization_failed",
    "user_token_invalid",
    "provider_suspended",
    "provider_unavailable",
  ],
});

/** What the vault holds for an agent and a user at a provider, never the tokens. */
export const connection = z.object({
  id: z.string(),
  agent: z.object({ id: z.string(), name: z.string().optional() }),
  user: z.object({ id: z.string(), issuer: z.string(), subject: z.string() }).optional(),
  provider: z.object({ id: z.string(), name: z.string(), vault: z.string() }),
  state: z.enum(["active", "needs_consent", "revoked"]),
  resource: z.string().optional(),
  audience: z.string().optional(),
  requestedScopes: z.array(z.string()),
  grantedScopes: z.array(z.string()),
  expiresAt: moment.optional(),
  refreshable: z.boolean(),
  createdAt: moment,
  updatedAt: moment,
});

const noun = "Connections";
const read = ["admin", "operator", "auditor"] as const;
const named = z.strictObject({ id: text(64) });

export const listConnections = operation({
  id: "listConnections",
  noun,
  summary: "List what the vault holds, never the tokens",
  method: "GET",
  path: "/v1/connections",
  rights: read,
  query: pageQuery.extend({
    agent: agentRef.optional(),
    user: text(64).optional(),
    provider: text(128).optional().describe("Its id, or its name in vault `default`."),
  }),
  answer: pageOf(connection),
  status: 200,
  refusals: [],
});
export const getConnection = operation({
  id: "getConnection",
  noun,
  summary: "Read one connection",
  method: "GET",
  path: "/v1/connections/{id}",
  rights: read,
  params: named,
  answer: connection,
  status: 200,
  refusals: ["connection_unknown"],
});
export const deleteConnection = operation({
  id: "deleteConnection",
  noun,
  summary: "Revoke a connection, erase its tokens, and tell the provider where it can be told",
  method: "DELETE",
  path: "/v1/connections/{id}",
  rights: ["admin", "operator"],
  params: named,
  status: 204,
  refusals: ["connection_unknown"],
});
